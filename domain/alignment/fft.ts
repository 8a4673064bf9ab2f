/**
 * Fast Fourier transform of complex numbers, radix 2 (Cooley and Tukey), in place. Written here because what decides has no packages
 * below it; the length is a power of two.
 */
export interface Fourier {
  readonly length: number;
  /** Both halves of the numbers are replaced by those of the spectrum. */
  forward(re: Float64Array, im: Float64Array): void;
  /** The way back, divided by the length. */
  inverse(re: Float64Array, im: Float64Array): void;
}

export function fourier(length: number): Fourier {
  if (length < 2 || (length & (length - 1)) !== 0)
    throw new RangeError(`the length of a transform is a power of two, not ${length}`);
  const half = length / 2;
  const cos = Float64Array.from({ length: half }, (_, n) => Math.cos((2 * Math.PI * n) / length));
  const sin = Float64Array.from({ length: half }, (_, n) => Math.sin((2 * Math.PI * n) / length));
  const bits = Math.log2(length);
  const reversed = new Uint32Array(length);
  for (let n = 1; n < length; n++) reversed[n] = ((reversed[n >> 1] ?? 0) >> 1) | ((n & 1) << (bits - 1));

  const forward = (re: Float64Array, im: Float64Array): void => {
    for (let n = 0; n < length; n++) {
      const m = reversed[n] as number;
      if (m <= n) continue;
      [re[n], re[m]] = [re[m] as number, re[n] as number];
      [im[n], im[m]] = [im[m] as number, im[n] as number];
    }
    for (let size = 2; size <= length; size *= 2) {
      const reach = size / 2;
      const step = length / size;
      for (let from = 0; from < length; from += size)
        for (let n = 0, k = 0; n < reach; n++, k += step) {
          const a = from + n;
          const b = a + reach;
          const c = cos[k] as number;
          const s = sin[k] as number;
          const real = (re[b] as number) * c + (im[b] as number) * s;
          const imaginary = (im[b] as number) * c - (re[b] as number) * s;
          re[b] = (re[a] as number) - real;
          im[b] = (im[a] as number) - imaginary;
          re[a] = (re[a] as number) + real;
          im[a] = (im[a] as number) + imaginary;
        }
    }
  };
  return {
    length,
    forward,
    inverse(re, im) {
      forward(im, re);
      for (let n = 0; n < length; n++) {
        re[n] = (re[n] as number) / length;
        im[n] = (im[n] as number) / length;
      }
    },
  };
}

/** Block maps as bmaptool reads them (its format 2.0): which blocks of an image have to be written, and their checksums. */

export const BMAP_BLOCK_BYTES = 4096;

export interface BlockRange {
  /** First and last block, both included. */
  readonly first: number;
  readonly last: number;
  readonly sha256: string;
}

/**
 * The map as XML. Its own checksum is the one of the text with zeros in its place, so it is given twice: first without, then with what
 * `sha256` says of the first.
 */
export function blockMap(
  image: { readonly sizeBytes: number; readonly ranges: readonly BlockRange[] },
  sha256: (text: string) => string,
): string {
  const zeros = '0'.repeat(64);
  const text = mapText(image, zeros);
  return text.replace(zeros, sha256(text));
}

function mapText(
  { sizeBytes, ranges }: { readonly sizeBytes: number; readonly ranges: readonly BlockRange[] },
  checksum: string,
): string {
  const mapped = ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  const lines = ranges.map(({ first, last, sha256 }) => {
    const blocks = first === last ? `${first}` : `${first}-${last}`;
    return `        <Range chksum="${sha256}"> ${blocks} </Range>`;
  });
  return `<?xml version="1.0" ?>
<bmap version="2.0">
    <ImageSize> ${sizeBytes} </ImageSize>
    <BlockSize> ${BMAP_BLOCK_BYTES} </BlockSize>
    <BlocksCount> ${Math.ceil(sizeBytes / BMAP_BLOCK_BYTES)} </BlocksCount>
    <MappedBlocksCount> ${mapped} </MappedBlocksCount>
    <ChecksumType> sha256 </ChecksumType>
    <BmapFileChecksum> ${checksum} </BmapFileChecksum>
    <BlockMap>
${lines.join('\n')}
    </BlockMap>
</bmap>
`;
}

/** The package describes its main entry only; this one is the same without subtitles and alternate audio. */
declare module 'hls.js/light' {
  export { default } from 'hls.js';
}

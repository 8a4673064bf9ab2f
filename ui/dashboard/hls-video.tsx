import { useEffect, useRef, useState } from 'preact/hooks';
import { Notice } from '../components/notice.tsx';

const HLS_TYPE = 'application/vnd.apple.mpegurl';

/** Plays a playlist: by the browser's own HLS where it has it, by hls.js (loaded then) where it does not. */
export function HlsVideo({ address }: { address: string }) {
  const video = useRef<HTMLVideoElement>(null);
  const [failure, setFailure] = useState<string>();
  useEffect(() => {
    const { current } = video;
    if (!current) return undefined;
    if (current.canPlayType(HLS_TYPE) !== '') {
      current.src = address;
      return () => {
        current.removeAttribute('src');
        current.load();
      };
    }
    let stop = (): void => undefined;
    let ended = false;
    import('hls.js/light')
      .then(({ default: Hls }) => {
        if (ended) return;
        if (!Hls.isSupported()) {
          setFailure('This browser plays neither HLS nor media sources.');
          return;
        }
        const hls = new Hls({ enableWorker: false });
        stop = () => hls.destroy();
        hls.on(Hls.Events.ERROR, (_event, { fatal, details }) => {
          if (fatal) setFailure(`The player gave up: ${details}`);
        });
        hls.loadSource(address);
        hls.attachMedia(current);
      })
      .catch((error: unknown) => setFailure(`The player could not be loaded: ${String(error)}`));
    return () => {
      ended = true;
      stop();
    };
  }, [address]);
  return (
    <>
      {failure === undefined ? null : <Notice tone="fault" title={failure} />}
      <video
        ref={video}
        class="player"
        controls
        autoplay
        muted
        playsinline
        onError={() =>
          setFailure('This recording cannot be played here; download it, or watch it on the central server.')
        }
      />
    </>
  );
}

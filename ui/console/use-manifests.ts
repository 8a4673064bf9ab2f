import { useEffect, useState } from 'preact/hooks';
import type { CentralSession } from '#contracts/http-central.ts';
import type { Manifest } from '#contracts/manifest.ts';
import { getJson, problemIn } from '../live/http.ts';
import { recordingKey } from './playback/timeline.ts';

interface Loaded {
  readonly manifests: ReadonlyMap<string, Manifest>;
  readonly problems: readonly string[];
}

const NONE: Loaded = { manifests: new Map(), problems: [] };

/** The manifests of a session by `recordingKey`; loaded again when a recording is replaced. */
export function useManifests({ recordings }: CentralSession): Loaded {
  const [loaded, setLoaded] = useState(NONE);
  const wanted = recordings.flatMap((each) =>
    each.manifest_url === null
      ? []
      : [{ key: recordingKey(each), url: each.manifest_url, sha256: each.sha256 }],
  );
  const identity = JSON.stringify(wanted);
  // The identity says all of what is wanted.
  useEffect(() => {
    const stop = new AbortController();
    const manifests = new Map<string, Manifest>();
    const problems: string[] = [];
    const all = wanted.map(({ key, url }) =>
      getJson<Manifest>(url, stop.signal).then(
        (manifest) => manifests.set(key, manifest),
        (error: unknown) =>
          problems.push(`The manifest of ${key} could not be loaded: ${problemIn(error).message}`),
      ),
    );
    Promise.all(all).then(
      () => stop.signal.aborted || setLoaded({ manifests, problems }),
      (error: unknown) => setLoaded({ manifests, problems: [problemIn(error).message] }),
    );
    return () => stop.abort();
  }, [identity]);
  return loaded;
}

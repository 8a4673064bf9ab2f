import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { parseOrThrow, TouchlineError } from '#contracts/errors.ts';
import type { Position } from '#contracts/ids.ts';
import { centralLayout, nodeLayout } from '#contracts/layout.ts';
import { Manifest, type TimelineRow } from '#contracts/manifest.ts';
import { timelineRows } from '#domain/recording/timeline-rows.ts';

/** A recorded file with what was written about it. */
export interface FoundFile {
  readonly manifest: Manifest;
  readonly manifestPath: string;
  readonly videoPath: string;
  /** Empty when there is no timeline here. */
  readonly rows: readonly TimelineRow[];
}

/** Something of the session that is missing or broken. */
export interface Problem {
  readonly where: string;
  readonly what: string;
}

export interface FoundSession {
  readonly sessionId: string;
  readonly sessionUid: string | null;
  /** From left to right, then by part. */
  readonly files: readonly FoundFile[];
  readonly problems: readonly Problem[];
}

/** A folder that may hold a session: on a node's storage, or on central's. */
interface Place {
  readonly root: string;
  readonly folder: string;
  readonly kind: 'node' | 'central';
}

/**
 * The recordings of a session, named by its folder or by its name, on all the storage that is given. Throws `not_found`; `conflict` when several sessions
 * have the name.
 */
export async function findSession(
  asked: string,
  storage: readonly string[],
  cwd: string,
): Promise<FoundSession> {
  const roots = storage.map((root) => resolve(cwd, root));
  for (const root of roots)
    if (!(await isFolder(root))) throw new TouchlineError('not_found', `there is no folder ${root}`);
  const named = await placeOf(resolve(cwd, asked));
  const name = (named?.folder ?? asked).replace(/~.*$/, '');
  const places = [
    ...(named ? [named] : []),
    ...(await Promise.all(roots.map((root) => placesBelow(root, name)))).flat(),
  ];
  const problems: Problem[] = [];
  const files: FoundFile[] = [];
  for (const place of uniquePlaces(places)) files.push(...(await filesOf(place, problems)));
  const [first] = named ? files : [];
  const wanted = first?.manifest.touchline?.session_uid;
  const ours = files.filter(({ manifest }) => wanted === undefined || uidOf(manifest) === wanted);
  const uids = [...new Set(ours.map(({ manifest }) => uidOf(manifest)))];
  if (uids.length > 1)
    throw new TouchlineError('conflict', `${uids.length} sessions are called ${name}`, {
      remedy: `Name the folder of one: ${[...new Set(ours.map(({ manifestPath }) => dirname(manifestPath)))].join(', ')}`,
    });
  if (ours.length === 0 && problems.length === 0)
    throw new TouchlineError('not_found', `there are no recordings of ${name}`, {
      remedy:
        'Give a folder below recordings/, manifests/ (node) or sessions/ (central); or a name, with --storage for each place to look.',
    });
  const kept = withoutCopies(ours);
  return {
    sessionId: ours[0]?.manifest.recording.session_id ?? name,
    sessionUid: uids[0] ?? null,
    files: kept,
    problems: [...problems, ...missingParts(kept)],
  };
}

const uidOf = ({ touchline }: Manifest): string | null => touchline?.session_uid ?? null;

/** Where a folder that somebody named lies; undefined when it is no folder. */
async function placeOf(path: string): Promise<Place | undefined> {
  if (!(await isFolder(path))) return undefined;
  const [root, parent, folder] = [dirname(dirname(path)), basename(dirname(path)), basename(path)];
  if (parent === centralLayout.sessions) return { root, folder, kind: 'central' };
  if (parent === nodeLayout.recordings || parent === nodeLayout.manifests)
    return { root, folder, kind: 'node' };
  return undefined;
}

/** How deep storage may lie below a folder that is given: `nodes/CAM_L` below what a demo leaves. */
const STORAGE_DEPTH = 2;

/** Places on a storage; where the folder is none, on those that lie below it. */
async function placesBelow(root: string, name: string, depth = STORAGE_DEPTH): Promise<Place[]> {
  const here = await placesOf(root, name);
  if (here.length > 0 || depth === 0) return here;
  const below = (await names(root)).map((folder) => join(root, folder));
  return (await Promise.all(below.map((folder) => placesBelow(folder, name, depth - 1)))).flat();
}

/** A name that was taken has the end of the uid behind it. */
async function placesOf(root: string, name: string): Promise<Place[]> {
  const below = async (parent: string, kind: Place['kind']): Promise<Place[]> =>
    (await names(join(root, parent)))
      .filter((folder) => folder === name || folder.startsWith(`${name}~`))
      .map((folder) => ({ root, folder, kind }));
  return [
    ...(await below(nodeLayout.manifests, 'node')),
    ...(await below(nodeLayout.recordings, 'node')),
    ...(await below(centralLayout.sessions, 'central')),
  ];
}

function uniquePlaces(places: readonly Place[]): Place[] {
  return [
    ...new Map(places.map((place) => [`${place.kind}:${join(place.root, place.folder)}`, place])).values(),
  ];
}

async function filesOf(place: Place, problems: Problem[]): Promise<FoundFile[]> {
  const parent = place.kind === 'node' ? nodeLayout.manifests : centralLayout.sessions;
  const folder = join(place.root, parent, place.folder);
  const found: FoundFile[] = [];
  for (const camera of await names(folder))
    for (const name of await names(join(folder, camera))) {
      const isManifest =
        place.kind === 'node' ? name.endsWith('.json') : /^manifest(\.p\d+)?\.json$/.test(name);
      if (!isManifest) continue;
      const manifestPath = join(folder, camera, name);
      try {
        found.push(await fileOf(place, camera, manifestPath, problems));
      } catch (error) {
        if (!(error instanceof TouchlineError)) throw error;
        problems.push({ where: manifestPath, what: error.message });
      }
    }
  problems.push(...(await undescribed(place, found)));
  return found;
}

async function fileOf(
  place: Place,
  camera: string,
  manifestPath: string,
  problems: Problem[],
): Promise<FoundFile> {
  const manifest = parseOrThrow(Manifest, await readJson(manifestPath), 'invalid_manifest', 'the manifest');
  const { touchline, file } = manifest;
  const video =
    place.kind === 'node'
      ? nodeLayout.video(place.folder, camera, file.name)
      : centralLayout.video(place.folder, camera, touchline?.part ?? 1);
  const rows = touchline
    ? await readTimeline(join(dirname(manifestPath), basename(touchline.timeline)), problems)
    : [];
  return { manifest, manifestPath, videoPath: join(place.root, video), rows };
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new TouchlineError('invalid_manifest', 'the manifest is not JSON', { cause });
  }
}

async function readTimeline(path: string, problems: Problem[]): Promise<TimelineRow[]> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const { rows, unreadable } = timelineRows(text);
  if (unreadable !== undefined) problems.push({ where: path, what: unreadable });
  return rows;
}

/** Videos that no manifest is about. */
async function undescribed(place: Place, found: readonly FoundFile[]): Promise<Problem[]> {
  const parent = place.kind === 'node' ? nodeLayout.recordings : centralLayout.sessions;
  const folder = join(place.root, parent, place.folder);
  const videos: string[] = [];
  for (const camera of await names(folder))
    for (const name of await names(join(folder, camera)))
      if (place.kind === 'node' ? name.endsWith('.mp4') : /^recording(\.p\d+)?\.mp4$/.test(name))
        videos.push(join(folder, camera, name));
  return videos
    .filter((path) => !found.some(({ videoPath }) => videoPath === path))
    .map((where) => ({
      where,
      what: 'there is no manifest of this video: when it was recorded is not known',
    }));
}

const POSITIONS: readonly Position[] = ['left', 'center', 'right'];
const placeOn = (file: FoundFile | undefined): number =>
  file ? POSITIONS.indexOf(file.manifest.recording.position) : 0;

/** The same file on a node and on central is one file: the one whose video is there, with the timeline of either. */
function withoutCopies(files: readonly FoundFile[]): FoundFile[] {
  const byPart = new Map<string, FoundFile[]>();
  for (const file of files) {
    const { recording, touchline } = file.manifest;
    const key = `${recording.camera_id} ${String(touchline?.part ?? 1).padStart(4, '0')}`;
    byPart.set(key, [...(byPart.get(key) ?? []), file]);
  }
  return [...byPart.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .sort(([, [a]], [, [b]]) => placeOn(a) - placeOn(b))
    .flatMap(([, copies]) => {
      const [first] = copies;
      const rows = copies.find((copy) => copy.rows.length > 0)?.rows ?? [];
      return first ? [{ ...first, rows }] : [];
    });
}

/** Parts that must have been, and the end that is still to come. */
function missingParts(files: readonly FoundFile[]): Problem[] {
  const cameras = Map.groupBy(files, ({ manifest }) => manifest.recording.camera_id);
  return [...cameras].flatMap(([where, own]) => {
    const parts = own.map(({ manifest }) => manifest.touchline?.part ?? 1);
    const absent = Array.from({ length: Math.max(...parts) }, (_, n) => n + 1).filter(
      (n) => !parts.includes(n),
    );
    const last = own.at(-1)?.manifest.touchline;
    return [
      ...absent.map((part) => ({ where, what: `part ${part} is missing` })),
      ...(last?.final === false
        ? [{ where, what: `part ${last.part} is not its last: more is to come` }]
        : []),
    ];
  });
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (entry) => entry.isDirectory(),
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return false;
      throw error;
    },
  );
}

/** Names in a folder, in order; none when it is not there, or no folder. */
async function names(path: string): Promise<string[]> {
  return readdir(path).then(
    (found) => found.sort(),
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
      throw error;
    },
  );
}

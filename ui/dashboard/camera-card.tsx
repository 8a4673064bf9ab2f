import type { RigView } from '#contracts/http-node.ts';
import type { NodeStatus } from '#contracts/states.ts';
import { Facts } from '../components/facts.tsx';
import { Pill } from '../components/pill.tsx';
import { ProgressBar } from '../components/progress-bar.tsx';
import type { Tone } from '../components/tone.ts';
import { bytesText, clockTime, codecText, figure, minutesText, UNKNOWN } from '../live/format.ts';
import { notesOf } from './camera-notes.ts';
import { clockFacts, clockLine } from './clock-words.ts';
import { conditionFacts } from './condition.ts';
import type { RigProblem } from './rig-summary.ts';

type RigNode = RigView['nodes'][number];

const WORDS: Record<NonNullable<NodeStatus['recorder']>['state'], readonly [Tone, string]> = {
  idle: ['calm', 'Ready'],
  armed: ['calm', 'Armed'],
  preparing: ['recording', 'Starting'],
  recording: ['recording', 'Recording'],
  finalizing: ['calm', 'Finishing'],
  error: ['fault', 'Error'],
};

/** One camera: what it does, and the figures behind it. */
export function CameraCard({ node, problems }: { node: RigNode; problems: readonly RigProblem[] }) {
  const { camera_id, available, status } = node;
  const own = problems.filter(({ camera }) => camera === camera_id);
  const [tone, word] = stateOf(node, own);
  const recorder = available ? status?.recorder : undefined;
  return (
    <article class="panel card" aria-label={camera_id} data-testid={`card-${camera_id}`}>
      <div class="heading">
        <h3>
          {camera_id} <span class="soft">{status?.position ?? node.position ?? ''}</span>
        </h3>
        <Pill tone={tone} text={word} />
      </div>
      {own.map(({ text, remedy, tone: weight }) => (
        <p key={text} class="card-problem" data-tone={weight}>
          {text}
          {remedy === undefined ? null : <span class="remedy"> {remedy}</span>}
        </p>
      ))}
      {recorder && status ? (
        <>
          <Facts facts={[...factsOf(recorder), ...conditionFacts(status)]} />
          {notesOf(recorder).map((note) => (
            <p key={note} class="card-note">
              {note}
            </p>
          ))}
        </>
      ) : null}
      {available && status?.sync ? <ClockFacts sync={status.sync} /> : null}
      {available && status ? <Offload items={status.offload} /> : null}
    </article>
  );
}

function stateOf({ available, status }: RigNode, problems: readonly RigProblem[]): readonly [Tone, string] {
  if (!available || !status) return ['fault', status ? 'Gone' : 'Not seen'];
  if (!status.recorder) return ['fault', 'Recorder silent'];
  const [tone, word] = WORDS[status.recorder.state];
  if (status.recorder.state === 'idle' && problems.some((problem) => problem.tone === 'fault'))
    return ['fault', 'Not ready'];
  return tone === 'calm' && problems.length > 0 ? ['warning', word] : [tone, word];
}

function factsOf({
  recording,
  profile,
  camera,
  disk,
  audio,
  encoder_restarts,
  disk_errors,
}: NonNullable<NodeStatus['recorder']>): (readonly [string, string])[] {
  const facts: (readonly [string, string])[] = [];
  if (recording)
    facts.push(
      [
        'Recorded',
        `${clockTime(recording.duration_sec)}${recording.part > 1 ? ` · part ${recording.part}` : ''}`,
      ],
      ['Frames', `${recording.frames}`],
      ['Lost frames', `${recording.dropped_frames}`],
      ['Frames a second', figure(recording.fps, 1)],
      ['Bit rate', figure(recording.bitrate_mbps, 1, 'Mbit/s')],
    );
  if (encoder_restarts > 0) facts.push(['Encoder restarts', `${encoder_restarts}`]);
  if (disk_errors > 0) facts.push(['Disk errors', `${disk_errors}`]);
  facts.push(
    ['Picture', camera.present ? `${camera.width}×${camera.height}, ${camera.fps}/s` : UNKNOWN],
    ['Codec', camera.present ? codecText(camera.codec) : UNKNOWN],
    ['Free space', bytesText(disk.free_bytes)],
    ['Room for', minutesText(disk.minutes_left)],
    ...(profile?.measured ? [['Encoder', 'measured'] as const] : []),
    ...(audio.enabled ? [['Sound', 'on'] as const] : []),
  );
  return facts;
}

/** One line; what is behind it unfolds. */
function ClockFacts({ sync }: { sync: NonNullable<NodeStatus['sync']> }) {
  return (
    <details class="clock">
      <summary>
        <span class="soft">Clock</span> <span class="figures">{clockLine(sync)}</span>
      </summary>
      <Facts facts={clockFacts(sync)} />
    </details>
  );
}

/** What is being brought home; nothing when all is. */
function Offload({ items }: { items: NodeStatus['offload'] }) {
  const open = items.filter(({ state }) => state !== 'offloaded');
  if (open.length === 0) return null;
  return (
    <ul class="offload">
      {open.map(({ session_uid, session_id, part, state, sent_bytes, size_bytes, error }) => (
        <li key={`${session_uid} ${part}`}>
          <span class="small">
            {state === 'failed'
              ? 'Not brought home'
              : state === 'waiting'
                ? 'Waits to be brought home'
                : 'Coming home'}
            : {session_id}
            {part > 1 ? `, part ${part}` : ''}
            {error ? ` (${error.message})` : ''}
          </span>
          {state === 'failed' ? null : (
            <ProgressBar
              value={size_bytes > 0 ? sent_bytes / size_bytes : 0}
              label={`${session_id} brought home`}
            />
          )}
        </li>
      ))}
    </ul>
  );
}

import { createHash } from 'node:crypto';
import t from 'tap';
import { nodeLayout } from '#contracts/layout.ts';
import { memoryDisk } from '#ports/disk/memory-disk.ts';
import { startProgram } from '#ports/program/program.ts';
import { readManifests } from '#runtime/manifests.ts';

import { housekeeper, journalOf } from '../fixtures/housekeeper.ts';

/** A fragmented MP4 as the recorder writes it. */
async function film(): Promise<Buffer> {
  const ffmpeg = await startProgram(
    'ffmpeg',
    [
      ...['-v', 'error', '-f', 'lavfi', '-i', 'testsrc2=size=640x144:rate=30', '-t', '3'],
      ...['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-g', '15'],
      ...[
        '-movflags',
        '+empty_moov+default_base_moof+frag_keyframe+skip_trailer',
        '-frag_duration',
        '200000',
        '-f',
        'mp4',
        'pipe:1',
      ],
    ],
    { stdout: 'pipe' },
  );
  const chunks: Buffer[] = [];
  ffmpeg.child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  const { code, stderr } = await ffmpeg.ended;
  if (code !== 0) throw new Error(stderr.join('\n'));
  return Buffer.concat(chunks);
}

t.test(
  'recovery finishes what an earlier run left, and leaves alone what the present run writes',
  async (t) => {
    const disk = memoryDisk(50_000_000);
    const whole = await film();
    const leave = async (name: string, bytes: Buffer, runId: string): Promise<void> => {
      const file = await disk.open(nodeLayout.video(name, 'CAM_C', `${name}.mp4`), 'create');
      await file.append(bytes);
      await file.close();
      await disk.replace(
        nodeLayout.journal(name, 'CAM_C', `${name}.mp4`),
        JSON.stringify({ ...journalOf(`${name}.mp4`, runId), session_id: name }),
      );
    };
    const keeper = await housekeeper(t, disk);
    await leave('Cut', whole.subarray(0, Math.floor(whole.length * 0.6)), 'before');
    await leave('Zeros', Buffer.concat([whole, Buffer.alloc(4096)]), 'before');
    await leave('Nothing', Buffer.alloc(0), 'before');
    await leave('Garbage', Buffer.from('this is no video at all'), 'before');
    await leave('Mine', whole.subarray(0, 50_000), keeper.bus.runId);
    await disk.replace(nodeLayout.journal('Broken', 'CAM_C', 'Broken.mp4'), '{"v": 1, ');
    keeper.bus.setState('recorder', {
      boot_id: 'b',
      state: 'idle',
      recording: null,
      session_uid: null,
      camera: {
        source: 'test-pattern',
        present: true,
        width: 640,
        height: 144,
        fps: 30,
        codec: 'h264',
        reason: null,
      },
      disk: { present: true, free_bytes: 1, total_bytes: 1, minutes_left: 1 },
      gates: [],
      faults: [],
      encoder_restarts: 0,
      disk_errors: 0,
    });
    await keeper.until('all four are done', async () => {
      const journals = (await disk.list('recordings')).filter(({ path }) => path.endsWith('.journal.json'));
      return journals.length === 2;
    });
    const { manifests } = await readManifests(disk);
    t.same(
      manifests.map(({ manifest }) => manifest.recording.session_id).sort(),
      ['Cut', 'Zeros'],
      'what has pictures has a manifest',
    );
    for (const { manifest } of manifests) {
      const name = manifest.recording.session_id;
      const chunks: Buffer[] = [];
      for await (const chunk of disk.read(nodeLayout.video(name, 'CAM_C', `${name}.mp4`))) chunks.push(chunk);
      const bytes = Buffer.concat(chunks);
      t.equal(bytes.length, manifest.file.size_bytes, `${name}: cut to its last whole fragment`);
      t.ok(whole.subarray(0, bytes.length).equals(bytes), 'and nothing else was changed');
      t.equal(createHash('sha256').update(bytes).digest('hex'), manifest.checksum.value);
      t.match(manifest.touchline, { recovered: true, final: true, start_frame: 6 });
    }
    const zeros = manifests.find(({ manifest }) => manifest.recording.session_id === 'Zeros')?.manifest;
    t.match(zeros?.touchline, { frames: 90, bytes_lost: 4096 }, 'every frame before the zeros is there');
    const left = (await disk.list('recordings'))
      .filter(({ path }) => path.endsWith('.journal.json'))
      .map(({ path }) => path);
    t.same(left.sort(), [
      nodeLayout.journal('Broken', 'CAM_C', 'Broken.mp4'),
      nodeLayout.journal('Mine', 'CAM_C', 'Mine.mp4'),
    ]);
  },
);

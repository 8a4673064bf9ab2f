import { Writable } from 'node:stream';
import t from 'tap';
import { manualClock } from '#ports/clock/manual-clock.ts';
import { feedSound, SAMPLE_RATE, type SoundState } from '#services/recorder/sound.ts';

t.test(
  'a microphone that cannot even be started is told, tried again, and silence takes its place',
  async (t) => {
    const clock = manualClock();
    const states: SoundState[] = [];
    let attempts = 0;
    let samples = 0;
    const sink = new Writable({
      write(chunk: Buffer, _encoding, done) {
        samples += chunk.length / 2;
        done();
      },
    });
    const bornUs = clock.monoUs() - 60_000_000;
    const sound = feedSound({
      audio: {
        channels: 1,
        get device() {
          attempts++;
          // No program can be started with it: that is an error of the runtime, none of ours.
          return 'no\0name';
        },
      },
      clock,
      sink,
      originMonoUs: Promise.resolve(bornUs),
      onState: (state) => states.push(state),
    });

    let most = 0;
    for (let n = 0; n < 100; n++) {
      const before = samples;
      await clock.advance(40);
      most = Math.max(most, samples - before);
    }
    t.match(states, [{ live: false, reason: /^no sound from no.name: .*null bytes/ }]);
    t.ok(attempts >= 3, `${attempts} attempts`);
    t.ok(most <= 5 * SAMPLE_RATE, `at most ${most / SAMPLE_RATE} s of silence at once`);
    const behindSec = (clock.monoUs() - bornUs) / 1e6 - samples / SAMPLE_RATE;
    t.ok(behindSec >= 0 && behindSec < 0.1, `but all of it in the end: ${behindSec} s behind`);
    await sound.stop();
  },
);

import t from 'tap';
import { tempFolder } from '../fixtures/central.ts';
import { faultsOf, figuresOf, playKillRounds } from '../lab/faults/kill-rounds.ts';

/** The lab `faults` in short; the seed decides who is hit when. */
const ROUNDS = 14;
const SEED = 20;

t.setTimeout(240_000);

t.test('nodes whose processes die at random lose nothing but what their manifests note', async (t) => {
  const nodes = await playKillRounds({
    folder: await tempFolder(t),
    rounds: ROUNDS,
    nodes: 2,
    seed: SEED,
    log: (line) => t.comment(line),
  });
  const figures = figuresOf(nodes);
  t.comment(JSON.stringify(figures));
  t.same(faultsOf(nodes), []);
  t.match(figures, {
    rounds: ROUNDS,
    corrupt_files: 0,
    wrong_manifests: 0,
    unnoted_gaps: 0,
    phantom_gaps: 0,
  });
  t.ok(Number(figures.gaps) > 0, 'and there were gaps to be noted');
});

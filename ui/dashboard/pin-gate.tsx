import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { LightView, SessionView } from '#contracts/http-node.ts';
import { nodeRoutes } from '#contracts/routes.ts';
import { ProblemNotice } from '../components/notice.tsx';
import { Mark } from '../components/top-bar.tsx';
import { deleteJson, getJson, type Problem, postJson, problemIn } from '../live/http.ts';
import { lightWords } from './light-words.ts';

/** What the page behind the gate needs to know. */
export interface Leave {
  readonly operator: boolean;
  /** Asks whether the session still holds: it ends with the node that gave it, or by its age. */
  readonly recheck: () => void;
  /** Ends the session, where there is one to end. */
  readonly leave: (() => Promise<void>) | undefined;
}

const LIGHT_EVERY_MS = 2000;
const RETRY_MS = 2000;

/** Asks for the rig's PIN where the node wants one; shows the traffic light until then. */
export function PinGate({ children }: { children: (leave: Leave) => ComponentChildren }) {
  const [session, setSession] = useState<SessionView>();
  const [problem, setProblem] = useState<Problem>();

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = (): void => {
      getJson<SessionView>(nodeRoutes.session).then(setSession, (error: unknown) => {
        setProblem(problemIn(error));
        timer = setTimeout(ask, RETRY_MS);
      });
    };
    ask();
    return () => clearTimeout(timer);
  }, []);

  const recheck = (): void => {
    // No answer says nothing about the session; that the camera is gone is on the page already.
    getJson<SessionView>(nodeRoutes.session).then(setSession, () => undefined);
  };
  const leave = async (): Promise<void> => {
    await deleteJson(nodeRoutes.session);
    setSession(await getJson<SessionView>(nodeRoutes.session));
  };
  if (session?.role)
    return children({
      operator: session.role === 'operator',
      recheck,
      leave: session.access === 'pin' ? leave : undefined,
    });
  return (
    <main class="gate">
      <Mark />
      <h1>Touchline</h1>
      {session ? (
        <>
          <Light />
          <PinForm onOpened={setSession} />
        </>
      ) : problem ? (
        <ProblemNotice problem={problem} what="The camera does not answer" />
      ) : (
        <p class="soft">Connecting …</p>
      )}
    </main>
  );
}

/** All that the rig's network sees without a session. */
function Light() {
  const [seen, setSeen] = useState<LightView>();
  useEffect(() => {
    const read = (): void => {
      getJson<LightView>(nodeRoutes.light).then(setSeen, () => setSeen(undefined));
    };
    read();
    const timer = setInterval(read, LIGHT_EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  return (
    <p class="light" data-light={seen?.light ?? 'unknown'} data-recording={seen?.recording ?? false}>
      <span class="lamp" aria-hidden="true" />
      <span data-testid="light">{seen ? lightWords(seen) : 'Not known'}</span>
    </p>
  );
}

function PinForm({ onOpened }: { onOpened: (session: SessionView) => void }) {
  const [pin, setPin] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    // In words of the page: a browser says that a format was requested, not which.
    if (!/^\d{8}$/.test(pin)) {
      setProblem({ code: 'bad_request', message: `The PIN of the rig has eight digits. ${typedText(pin)}` });
      return;
    }
    setBusy(true);
    setProblem(undefined);
    try {
      onOpened(await postJson<SessionView>(nodeRoutes.session, { pin }));
    } catch (error) {
      setProblem(problemIn(error));
      setPin('');
    } finally {
      setBusy(false);
    }
  };
  return (
    <form noValidate onSubmit={(event) => void submit(event)}>
      <label class="field">
        PIN of the rig, eight digits
        <input
          value={pin}
          inputmode="numeric"
          pattern="[0-9]{8}"
          maxLength={8}
          autocomplete="current-password"
          required
          onInput={(event) => setPin(event.currentTarget.value)}
        />
      </label>
      {problem ? <ProblemNotice problem={problem} what="Not opened" /> : null}
      <button type="submit" class="button big" data-kind="start" disabled={busy}>
        Open
      </button>
    </form>
  );
}

/** Without the PIN itself. */
function typedText(pin: string): string {
  if (pin === '') return 'Nothing was typed.';
  if (/\D/.test(pin)) return 'Something else was typed, too.';
  return `So far there ${pin.length === 1 ? 'is 1' : `are ${pin.length}`}.`;
}

export function SessionPage(_: { uid: string; view: string | null }) {
  return <h1>Session</h1>;
}

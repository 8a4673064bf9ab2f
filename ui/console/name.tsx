/** A name that people gave, which may break at its own joints. */
export function Name({ text }: { text: string }) {
  return (
    <>
      {text.split(/(?<=[_-])/).map((piece, index) => (
        <span key={index}>
          {piece}
          <wbr />
        </span>
      ))}
    </>
  );
}

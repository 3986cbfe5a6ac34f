import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { formatBytes } from "../format/counts.ts";
import { Command } from "../shell/command.tsx";
import { useConsole } from "../shell/console-context.ts";
import { Problem } from "../shell/problem.tsx";
import { useAction } from "../shell/use-action.ts";
import { exportName, exportStream } from "./stream-export.ts";
import type { TimelineBound } from "./timeline.ts";

export interface ExportButtonProps {
  readonly stream: string;
  readonly bound: TimelineBound;
}

/** Has the browser save a text as a file. */
function saveFile(name: string, texts: readonly string[]): void {
  const url = URL.createObjectURL(new Blob([...texts], { type: "application/x-ndjson" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}

/** Downloads the events of a stream as NDJSON. */
export function ExportButton({ stream, bound }: ExportButtonProps) {
  const { client, commands } = useConsole();
  const { isBusy, error, run } = useAction();
  const characters = useSignal(0);
  const isCut = useSignal(false);
  const closing = useRef(new AbortController());
  useEffect(() => () => closing.current.abort(), []);
  const save = async (): Promise<void> => {
    characters.value = 0;
    const onProgress = (count: number): void => {
      characters.value = count;
    };
    const { signal } = closing.current;
    const exported = await exportStream(client, { stream, bound, onProgress, signal });
    isCut.value = exported.isCut;
    if (!exported.isCut) saveFile(exportName(stream), exported.texts);
  };
  return (
    <>
      <button type="button" disabled={isBusy} onClick={() => run(save)}>
        {isBusy ? `Exporting… ${formatBytes(characters.value)}` : "Export as NDJSON"}
      </button>
      {error !== null && <Problem error={error} />}
      {isCut.value && (
        <div role="status">
          <p>The stream is too long for the browser. The command line exports it:</p>
          <Command command={commands.exportStream(stream)} />
        </div>
      )}
    </>
  );
}

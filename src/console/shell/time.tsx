import { formatAgo, formatTime } from "../format/times.ts";
import { useConsole } from "./console-context.ts";

export interface TimeProps {
  /** RFC 3339. */
  readonly time: string;
  /** Shows the time itself. Default: the age. The tip has the other, and the time as the server states it. */
  readonly isExact?: boolean;
}

/** Shows a time and its age, which grows while the page is open. */
export function Time({ time, isExact = false }: TimeProps) {
  const { nowMs } = useConsole();
  const ago = formatAgo(time, nowMs.value);
  const exact = formatTime(time);
  return (
    <time dateTime={time} title={`${isExact ? ago : exact} (${time})`}>
      {isExact ? exact : ago}
    </time>
  );
}

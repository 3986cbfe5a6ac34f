import type { MeasuredSeries } from "../../core/measures.ts";
import type { WriterChange } from "../../storage/writer/writer-connections.ts";

/** A command to a thread that a host runs. `Options` and `Message` belong to the program of the thread. */
export type HostCommand<Options, Message> =
  /** The first command. `writing`: a channel to the thread that writes. */
  | { readonly kind: "open"; readonly options: Options; readonly writing: MessagePort }
  | { readonly kind: "message"; readonly message: Message }
  | { readonly kind: "writer"; readonly change: WriterChange }
  | { readonly kind: "close" };

/** A report of the thread to its host. An error travels as its text. */
export type HostedReport<Report> =
  | { readonly kind: "report"; readonly report: Report }
  /** A counter or histogram of the thread, in memory that both share. */
  | { readonly kind: "measured"; readonly series: MeasuredSeries }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "closed" };

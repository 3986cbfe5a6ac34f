/** The end of a request that takes too long, or that its sender gives up. */
export interface Cutoff {
  isCut(): boolean;
  /** Ends the request. */
  readonly cut: () => void;
  /** Sets the function that ends the current step of the request; calls it at once if the request was cut off. */
  onCut(end: () => void): void;
  /** The same as a signal, for a step that takes one. */
  signal(): AbortSignal;
}

/** Creates a cutoff. A signal and its listeners for each request would cost more than the rest of it. */
export function createCutoff(): Cutoff {
  let isCut = false;
  let endStep = () => {};
  const onCut = (end: () => void) => {
    endStep = end;
    if (isCut) end();
  };
  return {
    isCut: () => isCut,
    cut() {
      isCut = true;
      endStep();
    },
    onCut,
    signal() {
      const controller = new AbortController();
      onCut(() => controller.abort());
      return controller.signal;
    },
  };
}

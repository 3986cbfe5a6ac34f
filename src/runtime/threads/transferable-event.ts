/** An event as another thread can receive it: its error is a text. */
export function transferableEvent<Event extends { readonly kind: string }>(event: Event): Event {
  return "error" in event ? { ...event, error: String(event.error) } : event;
}

import { installSearch } from "./search.ts";

const place = document.querySelector<HTMLElement>("#search");
if (place !== null) installSearch(place, new URL(import.meta.url));

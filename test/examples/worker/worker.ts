import { createWorker } from "kilde/worker";

import config from "../declarations/kilde.config.ts";

export default createWorker(config);

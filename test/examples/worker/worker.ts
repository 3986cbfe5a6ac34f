import { createWorker } from "kilde/worker";

import config from "../../../kilde.config.ts";

export default createWorker(config);

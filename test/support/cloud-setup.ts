import { startSharedCloud } from "./cloud.ts";

export default startSharedCloud;

import { stopSharedCloud } from "./cloud.ts";

export default stopSharedCloud;

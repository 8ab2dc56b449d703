import connect from "./store.js";

export default connect;

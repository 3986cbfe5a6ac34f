import { deleteSession, getSession, postSession } from "./session.ts";
import { completeSignIn, startSignIn } from "./sign-in.ts";

/** The handlers of the operations on sessions, in one module that loads at the first request. */
export const sessionHandlers = { getSession, postSession, deleteSession, startSignIn, completeSignIn };

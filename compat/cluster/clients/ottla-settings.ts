/** The client gives up on a request after this, as the others of the load do: left alone it would wait for half a minute, whatever the cluster does. */
export const silenceNoticedMs = 500

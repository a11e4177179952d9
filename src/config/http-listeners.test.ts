import assert from "node:assert/strict"
import { test } from "node:test"
import { loadServerConfig } from "./server-config.js"

const load = (value?: string) =>
  loadServerConfig({
    overrides: {
      "controller.listener.names": "CONTROLLER",
      ...(value !== undefined && { "ottla.http.listeners": value }),
    },
  })

test("without a setting the HTTP API listens on loopback; an empty one turns it off", () => {
  assert.deepEqual(load().config!.httpListeners, [{ host: "127.0.0.1", port: 8082 }])
  assert.deepEqual(load("").config!.httpListeners, [])
  assert.deepEqual(load("http://[::1]:1,http://localhost:0").config!.httpListeners, [
    { host: "::1", port: 1 },
    { host: "localhost", port: 0 },
  ])
})

test("an address that is none is an error that names the setting", () => {
  for (const value of ["127.0.0.1:8082", "https://a:1", "http://a", "http://a:99999", "http://:80"])
    assert.match(load(value).errors.join(), /ottla\.http\.listeners: .* is not http:\/\/host:port/)
})

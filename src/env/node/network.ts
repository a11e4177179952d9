/**
 * TCP of the operating system.
 *
 * Owns listening and connecting; connections are `connection.ts`. A listener that cannot accept (no descriptors left) says so once in a
 * while and goes on: connections it has are not affected.
 */
import * as net from "node:net"
import type { Connection, Listener, Logger, Network } from "../env.js"
import { NodeConnection, networkError } from "./connection.js"
import type { Native } from "./native.js"
import { RegionBuffers } from "./region-buffers.js"

/** Connections the kernel completes before we accept them; it takes the lesser of this and its own limit. */
const backlog = 4096
/** A listener out of descriptors complains at most so often. */
const complaintIntervalMs = 1000

export class NodeNetwork implements Network {
  readonly #regions = new RegionBuffers()

  constructor(
    readonly native: Native | undefined,
    readonly log: Logger,
    /** To peers on this machine too. */
    readonly sendfileOnLoopback: boolean,
  ) {}

  listen(address: { host: string; port: number }, accept: (connection: Connection) => void): Promise<Listener> {
    const server = net.createServer({ pauseOnConnect: true, noDelay: true, allowHalfOpen: true })
    let complainedMs = Number.NEGATIVE_INFINITY
    server.on("connection", (socket) => {
      // Gone before we looked at it.
      if (socket.destroyed || socket.remoteAddress === undefined) socket.destroy()
      else accept(this.#connection(socket))
    })
    return new Promise((resolve, reject) => {
      const failed = (error: NodeJS.ErrnoException) => reject(networkError(error))
      server.once("error", failed)
      server.listen({ host: address.host, port: address.port, backlog }, () => {
        server.off("error", failed)
        server.on("error", (error: NodeJS.ErrnoException) => {
          const nowMs = performance.now()
          if (nowMs - complainedMs < complaintIntervalMs) return
          complainedMs = nowMs
          this.log.log("warn", "cannot accept a connection", { code: error.code, port })
        })
        const bound = server.address() as net.AddressInfo
        const { port } = bound
        const close = () =>
          new Promise<void>((closed) => {
            // The port is free at once; the callback of `close` would wait for the last connection.
            server.close()
            setImmediate(closed)
          })
        resolve({ host: bound.address, port, close })
      })
    })
  }

  connect(address: { host: string; port: number }): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = new net.Socket({ allowHalfOpen: true })
      const failed = (error: NodeJS.ErrnoException) => reject(networkError(error))
      socket.once("error", failed)
      socket.pause()
      socket.connect({ host: address.host, port: address.port, noDelay: true }, () => {
        socket.off("error", failed)
        resolve(this.#connection(socket))
      })
    })
  }

  /**
   * To a peer on this machine bytes are copied either way. Measured in C, in pieces of a megabyte: reading and writing them moves 1.8 GB/s for 0.7 CPU-s per GB
   * of both sides together, `sendfile` 1.3 GB/s for 0.95. With a network card that takes the pages it is the other way round.
   */
  #connection(socket: net.Socket): NodeConnection {
    const usesSendfile = this.sendfileOnLoopback || !isLoopback(socket.remoteAddress ?? "")
    return new NodeConnection(socket, usesSendfile ? this.native : undefined, this.#regions)
  }
}

const isLoopback = (address: string): boolean => /^(::ffff:)?127\./.test(address) || address === "::1"

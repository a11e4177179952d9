/**
 * An immutable map from strings: every change returns a new map that shares almost everything with the old one.
 *
 * Owns a hash trie of 16-way nodes with small buckets at its leaves. For images that many readers hold while one writer moves on; iteration order
 * is by hash, the same for the same keys.
 */
type Node<V> = readonly (Node<V> | Bucket<V> | undefined)[] | Bucket<V>
type Bucket<V> = ReadonlyMap<string, V>

const bits = 4
const width = 1 << bits
const bucketSizeMax = 16
const depthMax = 7

function hash(key: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < key.length; i++) h = Math.imul(h ^ key.charCodeAt(i), 0x01000193)
  return (h ^ (h >>> 15)) >>> 0
}

const isBucket = <V>(node: Node<V>): node is Bucket<V> => node instanceof Map

export class PersistentMap<V> {
  static #empty = new PersistentMap<unknown>(new Map(), 0)

  private constructor(
    private readonly root: Node<V>,
    readonly size: number,
  ) {}

  static empty<V>(): PersistentMap<V> {
    return PersistentMap.#empty as PersistentMap<V>
  }

  get(key: string): V | undefined {
    let node: Node<V> | undefined = this.root
    for (let h = hash(key); node !== undefined && !isBucket(node); h >>>= bits) node = node[h & (width - 1)]
    return node?.get(key)
  }

  has(key: string): boolean {
    return this.get(key) !== undefined
  }

  /** `value` must not be undefined: that is how absence reads. */
  set(key: string, value: V): PersistentMap<V> {
    const had = this.get(key)
    if (had === value) return this
    return new PersistentMap(insert(this.root, key, value, hash(key), 0), had === undefined ? this.size + 1 : this.size)
  }

  delete(key: string): PersistentMap<V> {
    if (!this.has(key)) return this
    return new PersistentMap(remove(this.root, key, hash(key)), this.size - 1)
  }

  /** The keys whose value differs between `before` and this map, in time proportional to the difference. */
  *changedKeys(before: PersistentMap<V>): IterableIterator<string> {
    yield* changed(before.root, this.root)
  }

  *entries(): IterableIterator<[string, V]> {
    yield* walk(this.root)
  }

  *keys(): IterableIterator<string> {
    for (const [key] of walk(this.root)) yield key
  }

  *values(): IterableIterator<V> {
    for (const [, value] of walk(this.root)) yield value
  }

  [Symbol.iterator](): IterableIterator<[string, V]> {
    return this.entries()
  }
}

function insert<V>(node: Node<V>, key: string, value: V, rest: number, depth: number): Node<V> {
  if (!isBucket(node)) {
    const index = rest & (width - 1)
    const children = node.slice()
    children[index] = insert(node[index] ?? new Map(), key, value, rest >>> bits, depth + 1)
    return children
  }
  const bucket = new Map(node)
  bucket.set(key, value)
  if (bucket.size <= bucketSizeMax || depth >= depthMax) return bucket
  let split: Node<V> = new Array<undefined>(width).fill(undefined)
  for (const [each, held] of bucket) split = insert(split, each, held, hash(each) >>> (bits * depth), depth)
  return split
}

function remove<V>(node: Node<V>, key: string, rest: number): Node<V> {
  if (isBucket(node)) {
    const bucket = new Map(node)
    bucket.delete(key)
    return bucket
  }
  const index = rest & (width - 1)
  const children = node.slice()
  children[index] = remove(node[index]!, key, rest >>> bits)
  return children
}

function* walk<V>(node: Node<V>): IterableIterator<[string, V]> {
  if (isBucket(node)) yield* node
  else for (const child of node) if (child !== undefined) yield* walk(child)
}

function* changed<V>(before: Node<V> | undefined, after: Node<V> | undefined): IterableIterator<string> {
  if (before === after) return
  if (before !== undefined && after !== undefined && !isBucket(before) && !isBucket(after)) {
    for (let index = 0; index < width; index++) yield* changed(before[index], after[index])
    return
  }
  const old = new Map(before === undefined ? [] : walk(before))
  for (const [key, value] of after === undefined ? [] : walk(after)) {
    if (old.get(key) !== value) yield key
    old.delete(key)
  }
  yield* old.keys()
}

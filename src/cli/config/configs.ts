/**
 * `ottla config get`, `set` and `unset`.
 *
 * Owns what is asked and told of settings.
 */
import type { ConfigChange, ConfigResource } from "../../client/index.js"
import { NotFoundError, UsageError } from "../errors.js"
import type { OutputForm } from "../forms.js"
import { printListing, tellChanges } from "../output.js"
import { runSession, type SessionFlags } from "../session.js"
import { parseSetting } from "../units.js"
import { changesOf, differences, parseResource } from "./settings.js"

export interface GetFlags extends SessionFlags {
  readonly output: OutputForm
  readonly all: boolean
}

export interface SetFlags extends SessionFlags {
  readonly output: OutputForm
  readonly dryRun: boolean
}

export const get = (flags: GetFlags, target: string, names: readonly string[]): Promise<void> =>
  runSession(flags, async ({ admin }) => {
    const resource = parseResource(target)
    const keys = names.length > 0 ? names : undefined
    const [told] = await admin.describeConfigs([{ ...resource, keys }])
    if (told!.error !== undefined) throw told!.error
    const missing = names.find((name) => !told!.configs.some((entry) => entry.name === name))
    if (missing !== undefined) throw new NotFoundError(`${target} has no setting ${missing}`)
    const isOwn = (source: string) => source !== "default" && (resource.type === "broker" || source === resource.type)
    const rows = told!.configs
      .filter(({ source }) => flags.all || names.length > 0 || isOwn(source))
      .map(({ synonyms: _, documentation: __, ...entry }) => ({ resource: target, ...entry }))
    printListing(
      {
        rows,
        columns: [
          { head: "NAME", of: ({ name }) => name },
          { head: "VALUE", of: ({ value, isSensitive }) => (isSensitive ? "(secret)" : (value ?? "(none)")) },
          { head: "FROM", of: ({ source }) => source },
        ],
        nameOf: ({ name }) => name,
        none: `nothing is set for ${target}; --all tells what is inherited`,
      },
      flags.output,
    )
    return undefined
  })

export const set = (flags: SetFlags, target: string, settings: readonly string[]): Promise<void> =>
  change(flags, target, changesOf(settings.map(parseSetting), []))

export const unset = (flags: SetFlags, target: string, names: readonly string[]): Promise<void> =>
  change(flags, target, changesOf([], names))

const change = ({ dryRun, ...flags }: SetFlags, target: string, changes: readonly ConfigChange[]): Promise<void> =>
  runSession(flags, async ({ admin, say }) => {
    if (changes.length === 0) throw new UsageError("name at least one setting")
    const resource: ConfigResource = parseResource(target)
    const [before] = await admin.describeConfigs([resource])
    if (before!.error !== undefined) throw before!.error
    const [altered] = await admin.incrementalAlterConfigs([{ ...resource, changes }], { validateOnly: dryRun })
    const told = differences(before!.configs, changes).map(({ setting, before: was, after }, index) => ({
      name: target,
      done: `${target} ${setting}: ${was ?? "(none)"} -> ${after}${dryRun ? " (not done)" : ""}`,
      data: { setting, before: was, after, dryRun },
      // One answer for all: said once.
      error: index === 0 ? altered!.error : undefined,
    }))
    return tellChanges(altered!.error === undefined ? told : told.slice(0, 1), flags.output, say)
  })

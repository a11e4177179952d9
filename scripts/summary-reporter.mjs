// Prints the failures in full and the counts at the end; the dots before it are the progress.
export default async function* summary(source) {
  const failures = []
  for await (const event of source) {
    if (event.type === "test:fail" && event.data.details?.error?.failureType !== "subtestsFailed")
      failures.push(event.data)
    else if (event.type === "test:diagnostic" && event.data.nesting === 0) yield `# ${event.data.message}\n`
  }
  for (const failure of failures) {
    const error = failure.details?.error
    yield `\nnot ok: ${failure.name}\n  ${failure.file ?? ""}:${failure.line ?? ""}\n  ${error?.cause?.stack ?? error?.stack ?? error}\n`
  }
}

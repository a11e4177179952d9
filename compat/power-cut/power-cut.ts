export async function powerCut(_options: Readonly<Record<string, string>>): Promise<boolean> {
  return false
}

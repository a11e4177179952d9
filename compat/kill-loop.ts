export async function killLoop(_options: Readonly<Record<string, string>>): Promise<boolean> { return false }

export async function librdkafkaSuite(_options: Readonly<Record<string, string>>): Promise<boolean> { return false }

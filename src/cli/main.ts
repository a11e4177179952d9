#!/usr/bin/env node
process.stderr.write("ottla: server start is not part of this version yet\n")
process.exitCode = 1

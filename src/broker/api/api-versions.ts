/**
 * ApiVersions: what this broker speaks.
 *
 * Behaviour: every API that has a nodeHandler, with the range the declaration says; supported and finalized features. An unknown version is answered
 * before any nodeHandler runs (request-dispatch). Versions: 0-4; in 3 a feature that supports level 0 is left out, because old clients refuse a
 * minimum of 0 (KAFKA-17011). 3+ carries the client's software name and version (KIP-511).
 */
import type { Api } from "../../protocol/message.js"
import { apiVersions } from "../../protocol/messages/api-versions.js"
import { Errors } from "../../protocol/errors.js"
import { finalizedFeatures } from "../../controller/features.js"
import { supportedFeatures } from "../features.js"
import { type ApiHandler, nodeHandler, type NodeServices } from "../services.js"

const softwareName = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/

/** `advertised` is asked at each request because the list of handlers holds this one's. */
export const apiVersionsHandler = (advertised: () => readonly Api[]): ApiHandler<Api, NodeServices> =>
  nodeHandler(apiVersions, (services, request, { version, connection }) => {
    if (version >= 3) {
      const { clientSoftwareName, clientSoftwareVersion } = request
      if (!softwareName.test(clientSoftwareName) || !softwareName.test(clientSoftwareVersion)) {
        return { errorCode: Errors.INVALID_REQUEST, apiKeys: [] }
      }
      connection.state.software = `${clientSoftwareName} ${clientSoftwareVersion}`
    }
    const image = services.image()
    return {
      errorCode: Errors.NONE,
      apiKeys: advertised().map((api) => ({
        apiKey: api.key,
        minVersion: api.advertisedVersions.min,
        maxVersion: api.advertisedVersions.max,
      })),
      supportedFeatures: supportedFeatures
        .filter(({ minSupportedVersion }) => version >= 4 || minSupportedVersion > 0)
        .map(({ name, minSupportedVersion, maxSupportedVersion }) => ({
          name,
          minVersion: minSupportedVersion,
          maxVersion: maxSupportedVersion,
        })),
      finalizedFeaturesEpoch: image.offset,
      finalizedFeatures: [...finalizedFeatures(image, services.kraftVersion())].map(([name, level]) => ({
        name,
        maxVersionLevel: level,
        minVersionLevel: level,
      })),
    }
  })

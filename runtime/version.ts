import manifest from '#package' with { type: 'json' };

/** Version of this software: the package's, also inside a bundle. */
export const SOFTWARE_VERSION: string = manifest.version;

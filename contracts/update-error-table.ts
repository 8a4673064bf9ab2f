/** The part of the error table that is about updates. */
export const UPDATE_ERRORS = {
  update_locked: {
    status: 409,
    blame: 'caller',
    meaning: 'The update cannot be applied now.',
    remedy: 'See `details.owner` and `details.reason`; ask again when it is over, or with `queue`.',
  },
  no_update: {
    status: 409,
    blame: 'caller',
    meaning: 'There is no update to apply.',
    remedy: 'Look at `GET /api/v1/update`; `update/check` asks the source.',
  },
  rollback_impossible: {
    status: 409,
    blame: 'caller',
    meaning: 'There is no version to go back to from here.',
    remedy: 'See the reason; on balena pin the device or the fleet to the release before.',
  },
  updates_off: {
    status: 404,
    blame: 'caller',
    meaning: 'This node is not updated by this program.',
    remedy: 'Set updates.channel.',
  },
  update_lock_failed: {
    status: 503,
    blame: 'device',
    meaning: 'The update lock cannot be taken: an update could end a recording.',
    remedy:
      'See the reason; runtime_dir and the folder of updates.host_lock must be writable, and the package koffi be there. Pin the release until then.',
  },
  update_source_unreachable: {
    status: 503,
    blame: 'peer',
    meaning: 'Where updates come from cannot be reached.',
    remedy: 'See the reason; it is tried again by itself.',
  },
  supervisor_missing: {
    status: 503,
    blame: 'device',
    meaning: 'There is no balena Supervisor to ask.',
    remedy:
      'Give the container the label io.balena.features.supervisor-api: "1", or set updates.channel to none where no balenaOS runs.',
  },
  update_failed: {
    status: 503,
    blame: 'device',
    meaning: 'An update could not be installed.',
    remedy: 'See the reason; the version before goes on.',
  },
} as const;

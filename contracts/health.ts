import { z } from 'zod';
import { WireError } from './errors.ts';
import { serviceState } from './service-state.ts';
import { WireTime } from './time.ts';

/** What a node knows about its own condition. */

/** Boards with a gauge on I2C, by the chip that answers; `docs/battery.md` says which board has which. */
export const BatteryBoard = z.enum([
  'max17040',
  'max17048',
  'ina219-1s',
  'ina219-2s',
  'ina219-3s',
  'pisugar3',
]);
export type BatteryBoard = z.infer<typeof BatteryBoard>;

/** Speeds that every serial adapter has (termios). */
const BAUD_RATES = [1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200] as const;

/** What each kind of battery has to be told, and what none of the others understands. */
const BATTERY_SETTINGS = {
  none: { needs: [], takes: [] },
  sysfs: { needs: [], takes: [] },
  serial: { needs: ['battery_device'], takes: ['battery_device', 'battery_baud'] },
  i2c: { needs: ['battery_board'], takes: ['battery_board', 'battery_address', 'i2c_bus'] },
} as const;
const BATTERY_KEYS = [
  'battery_device',
  'battery_baud',
  'battery_board',
  'battery_address',
  'i2c_bus',
] as const;

export const SensorsConfig = z
  .strictObject({
    temperature: z
      .enum(['sysfs', 'none'])
      .default('none')
      .describe('`sysfs`: what the kernel measures; unknown when it does not, and a start then asks twice'),
    throttling: z
      .enum(['sysfs', 'none'])
      .default('none')
      .describe('`sysfs`: what the firmware of a Raspberry Pi says of power and heat'),
    battery: z
      .enum(['none', 'sysfs', 'serial', 'i2c'])
      .default('none')
      .describe(
        '`sysfs`: a battery that the kernel knows; `serial`: a board that tells its charge in lines; `i2c`: a board with a known gauge',
      ),
    battery_device: z
      .string()
      .regex(/^\/dev\/[A-Za-z0-9_./:-]{1,200}$/, 'must be a device below /dev')
      .optional()
      .describe('Serial port of the battery; `/dev/serial/by-id/…` stays the same over restarts'),
    battery_baud: z.literal(BAUD_RATES).optional().describe('Speed of that port, baud; 9600 when left out'),
    battery_board: BatteryBoard.optional().describe('The gauge on the board; see docs/battery.md'),
    battery_address: z
      .int()
      .min(0x08)
      .max(0x77)
      .optional()
      .describe('I2C address of the gauge, 8 to 119 (0x08 to 0x77); that of the board when left out'),
    i2c_bus: z
      .int()
      .min(0)
      .max(255)
      .optional()
      .describe('Number of the bus: N of /dev/i2c-N; 1 when left out'),
    disk_condition: z
      .enum(['nvme', 'none'])
      .default('none')
      .describe('`nvme`: what the recording disk says of its own wear (SMART), by the program `nvme`'),
    disk_write: z
      .enum(['measured', 'none'])
      .default('none')
      .describe('`measured`: 16 MiB are written, synced and deleted every six hours, only while idle'),
  })
  .superRefine((sensors, context) => {
    const { needs, takes } = BATTERY_SETTINGS[sensors.battery];
    for (const key of BATTERY_KEYS) {
      const given = sensors[key] !== undefined;
      if (given && !(takes as readonly string[]).includes(key))
        context.addIssue({
          code: 'custom',
          path: [key],
          message: `has no meaning with battery: ${sensors.battery}`,
        });
      if (!given && (needs as readonly string[]).includes(key))
        context.addIssue({
          code: 'custom',
          path: [key],
          message: `must be set with battery: ${sensors.battery}`,
        });
    }
  })
  .describe('What this machine has to be watched');
export type SensorsConfig = z.infer<typeof SensorsConfig>;

/** `unknown`: it should be known and could not be read; `not-fitted`: the configuration says that there is no such thing. */
export const HealthLevel = z.enum(['ok', 'warn', 'critical', 'unknown', 'not-fitted']);
export type HealthLevel = z.infer<typeof HealthLevel>;

export const HealthReading = z.enum([
  'temperature',
  'throttling',
  'load',
  'memory',
  'camera',
  'disk-space',
  'disk-condition',
  'disk-write',
  'battery',
]);
export type HealthReading = z.infer<typeof HealthReading>;

export const Battery = z
  .object({
    percent: z.number().min(0).max(100),
    volts: z.number().nullable(),
    charging: z.boolean().nullable().describe('Null when the board does not tell'),
    read_at: WireTime.describe('When the gauge last said something that was believed'),
    minutes_left: z
      .number()
      .min(0)
      .nullable()
      .describe('To empty, at the rate of the last minutes; null while it charges, or before it can be told'),
  })
  .describe('The battery as last read');
export type Battery = z.infer<typeof Battery>;

export const ThrottleReason = z.enum([
  'under-voltage',
  'frequency-capped',
  'throttled',
  'soft-temperature-limit',
]);
export type ThrottleReason = z.infer<typeof ThrottleReason>;

export const HealthState = z
  .object({
    ...serviceState,
    readings: z
      .partialRecord(
        HealthReading,
        z.object({
          level: HealthLevel,
          value: z.number().nullable().describe('In `unit`; null when there is none'),
          unit: z.string(),
          text: z.string().describe('For people: the value, or why there is none'),
        }),
      )
      .describe('Every reading by its name, with its level'),
    battery: Battery.nullable().describe('Null when there is none or it is unknown'),
    throttled: z
      .object({
        now: z.array(ThrottleReason),
        since_boot: z.array(ThrottleReason),
      })
      .nullable()
      .describe('What the firmware says of power and heat; null when it does not'),
    faults: z.array(WireError).describe('Sensors that should answer and do not'),
  })
  .describe('State of health');
export type HealthState = z.infer<typeof HealthState>;

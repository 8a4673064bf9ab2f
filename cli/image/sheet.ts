import PDFDocument from 'pdfkit';
import { create } from 'qrcode';
import { accessPointOf } from '#domain/network/plan.ts';
import { wifiCode } from '#domain/provisioning/device-files.ts';

/** The provisioning sheet of one camera, for whoever puts it on the mast. */

export interface Sheet {
  readonly rig: string;
  readonly cameraId: string;
  readonly position: string;
  readonly hostName: string;
  readonly pin: string;
  readonly accessPointKey: string;
  /** Address of the dashboard on the rig's own Wi-Fi. */
  readonly dashboard: string;
  readonly homeNetworks: readonly string[];
  readonly hardware: readonly string[];
  readonly mode: string;
  /** UUID of the device in its fleet. */
  readonly uuid: string | undefined;
  readonly image: { readonly name: string; readonly sha256: string };
}

/** Fixed, so that the same sheet has the same bytes. */
const MADE_AT = new Date(Date.UTC(2024, 0, 1));
const MARGIN = 56;
const QR_SIZE = 130;
const LABEL_WIDTH = 130;

/** One page A4 as PDF: two codes for a phone, and the same in letters. */
export async function sheetPdf(sheet: Sheet): Promise<Buffer> {
  const document = new PDFDocument({
    size: 'A4',
    margin: MARGIN,
    info: {
      Title: `${sheet.cameraId} of ${sheet.rig}`,
      Producer: 'Touchline',
      Creator: 'Touchline',
      CreationDate: MADE_AT,
      ModDate: MADE_AT,
    },
  });
  const chunks: Buffer[] = [];
  const ended = new Promise<Buffer>((resolve, reject) => {
    document.on('data', (chunk: Buffer) => chunks.push(chunk));
    document.on('end', () => resolve(Buffer.concat(chunks)));
    document.on('error', reject);
  });
  const width = document.page.width - 2 * MARGIN;
  document.font('Helvetica-Bold').fontSize(40).text(sheet.cameraId, MARGIN, MARGIN);
  document.font('Helvetica').fontSize(14).text(`${sheet.position} camera of ${sheet.rig}`);
  const top = document.y + 24;
  const second = MARGIN + width / 2;
  code(document, wifiCode(sheet.cameraId, sheet.accessPointKey), MARGIN, top);
  code(document, sheet.dashboard, second, top);
  document.fontSize(10);
  document.text('1. Join the Wi-Fi of this camera', MARGIN, top + QR_SIZE + 8, { width: width / 2 - 20 });
  document.text('2. Open the dashboard, enter the PIN', second, top + QR_SIZE + 8, { width: width / 2 - 20 });
  document.y = top + QR_SIZE + 44;
  const rows: [string, string][] = [
    ['PIN', `${sheet.pin.slice(0, 4)} ${sheet.pin.slice(4)}`],
    ['Wi-Fi', accessPointOf(sheet.cameraId)],
    ['Key of the Wi-Fi', sheet.accessPointKey],
    ['Dashboard', sheet.dashboard],
    ['Host name', `${sheet.hostName}.local`],
    ['Other networks', sheet.homeNetworks.join(', ') || 'none'],
    ['Wired to it', sheet.hardware.join(', ') || 'nothing'],
    ['Device in the fleet', sheet.uuid ?? 'none'],
    ['Mode', sheet.mode],
    ['Image', sheet.image.name],
    ['SHA-256 of the image', sheet.image.sha256],
  ];
  for (const [label, value] of rows) {
    const y = document.y;
    document.font('Helvetica').fontSize(10).text(label, MARGIN, y, { width: LABEL_WIDTH });
    const large = label === 'PIN' || label.endsWith('Wi-Fi');
    document
      .font('Courier-Bold')
      .fontSize(large ? 16 : 10)
      .text(value, MARGIN + LABEL_WIDTH, y, { width: width - LABEL_WIDTH });
    document.y += 6;
  }
  document
    .font('Helvetica')
    .fontSize(9)
    .text(
      'Whoever has this sheet can start and stop the rig. Keep it as you would keep a key; when it or the card is lost, make new secrets for the whole rig (docs/provisioning.md).',
      MARGIN,
      document.y + 12,
      { width },
    );
  document.end();
  return ended;
}

/** A QR code as squares, with the quiet zone that readers need given by the page. */
function code(document: PDFKit.PDFDocument, text: string, x: number, y: number): void {
  const { modules } = create(text, { errorCorrectionLevel: 'M' });
  const side = QR_SIZE / modules.size;
  for (let row = 0; row < modules.size; row++)
    for (let column = 0; column < modules.size; column++)
      // A hair wider, so that no white line shows between two of them.
      if (modules.get(row, column))
        document.rect(x + column * side, y + row * side, side + 0.05, side + 0.05);
  document.fill('black');
}

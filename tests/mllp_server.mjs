// node-hl7-server as a receiver on loopback: what it has taken it acknowledges again with each later message of a
// connection. PORT: where it listens. TOOK: the file that it notes control ids in.
import { appendFileSync } from 'node:fs';
import { Server } from 'node-hl7-server';

const server = new Server({ bindAddress: '127.0.0.1' });
server.createInbound({ port: Number(process.env.PORT) }, async (request, response) => {
  appendFileSync(process.env.TOOK, `${request.getMessage().get('MSH.10').toString()}\n`);
  await response.sendResponse('AA');
});

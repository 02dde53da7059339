// node-hl7-client as a sender: COUNT messages to PORT over one connection, each after the answer to the one before.
// It prints how many answers there were of each code.
import { Client, Message } from 'node-hl7-client';

const codes = {};
let answered = 0;
const client = new Client({ host: '127.0.0.1', version: '2.4' });
const connection = client.createConnection({ port: Number(process.env.PORT) }, async (answer) => {
  const code = answer.getMessage().get('MSA.1').toString();
  codes[code] = (codes[code] ?? 0) + 1;
  answered += 1;
});
for (let n = 0; n < Number(process.env.COUNT); n += 1) {
  await connection.sendMessage(new Message({ text: [
    `MSH|^~\\&|NODE|RX9|ICSHUB|E09|20250102030405||ADT^A31|n${n}|P|2.4`,
    'EVN||20250102030405',
    `PID|1||c${n}^^^RX9^MR||Example^Ada||20150203|F`,
  ].join('\r') }));
  while (answered <= n) {
    await new Promise((wake) => setTimeout(wake, 2));
  }
}
console.log(JSON.stringify(codes));
await connection.close();
process.exit(0);

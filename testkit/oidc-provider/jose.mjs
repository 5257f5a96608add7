// Keys and signatures by other hands than ours: Node's crypto makes the keys, npm's jose reads what was signed. One question as
// JSON on standard input, the answer as JSON on standard output:
//   {"make": "rsa"}                    a pair of keys in every form
//   {"verify": "a.b.c", "jwk": {}}     header and claims, if the signature is right
import crypto from 'node:crypto';
import { readFileSync } from 'node:fs';
import { compactVerify, importJWK } from 'jose';

const KINDS = {
  rsa: ['rsa', { modulusLength: 2048 }, 'pkcs1'],
  'rsa-short': ['rsa', { modulusLength: 1024 }, 'pkcs1'],
  'rsa-pss': ['rsa-pss', { modulusLength: 2048 }],
  p256: ['ec', { namedCurve: 'P-256' }, 'sec1'],
  p384: ['ec', { namedCurve: 'P-384' }, 'sec1'],
  p521: ['ec', { namedCurve: 'P-521' }, 'sec1'],
  secp256k1: ['ec', { namedCurve: 'secp256k1' }, 'sec1'],
  ed25519: ['ed25519', {}],
  ed448: ['ed448', {}],
};

function make(kind) {
  const [type, options, traditional] = KINDS[kind];
  const { publicKey, privateKey } = crypto.generateKeyPairSync(type, options);
  const pem = (more) => privateKey.export({ format: 'pem', ...more });
  const jwk = (key) => (kind === 'rsa-pss' ? null : key.export({ format: 'jwk' }));
  return {
    pkcs8: pem({ type: 'pkcs8' }),
    traditional: traditional ? pem({ type: traditional }) : null,
    encrypted: pem({ type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'secret' }),
    encrypted_traditional: traditional ? pem({ type: traditional, cipher: 'aes-256-cbc', passphrase: 'secret' }) : null,
    public_pem: publicKey.export({ format: 'pem', type: 'spki' }),
    jwk: jwk(privateKey),
    public_jwk: jwk(publicKey),
  };
}

async function verify(token, jwk) {
  const { alg } = JSON.parse(Buffer.from(token.split('.')[0], 'base64url'));
  const { payload, protectedHeader } = await compactVerify(token, await importJWK(jwk, alg));
  return { header: protectedHeader, claims: JSON.parse(Buffer.from(payload)) };
}

const question = JSON.parse(readFileSync(0));
const answer = question.make ? make(question.make) : await verify(question.verify, question.jwk);
process.stdout.write(JSON.stringify(answer));

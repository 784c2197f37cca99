// Runs the scenarios in Node whose names match SCENARIOS.
import { createRequire } from "node:module";
import { test } from "node:test";
import { play, scenarios } from "./scenarios.mjs";

const { WebSocket } = createRequire(import.meta.url)("ws"); // by NODE_PATH
const control = process.env.CONTROL;
const config = await (await fetch(control + "/config.json")).json();
const module = await import(process.env.MODULE);
const env = { ...module, ...config, WebSocket, network: (action) => fetch(`${control}/network/${action}`, { method: "POST" }) };

for (const name of Object.keys(scenarios).filter((name) => RegExp(process.env.SCENARIOS).test(name))) test(name, () => play(name, env));

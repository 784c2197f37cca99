// What a program in TypeScript may write, and what it may not.
import { codes, connect, DockwireError, type BuildOutput, type Container, type State } from "./dockwire.js";

class Socket {
  constructor(readonly url: string, readonly protocols: string[]) {}
}

const states: State[] = [];
const dw = connect("ws://127.0.0.1:7420/", { token: "secret", WebSocket: Socket, onstate: (state) => states.push(state) });
const { signal } = new AbortController();

export async function use(): Promise<BuildOutput[]> {
  const created: Container = await dw.call("create", { image: "shop", name: "web", environment: { MODE: "production" } });
  await dw.call("create", ["shop", "web"], { signal });
  const list = await dw.call("list");
  list[0].oomKilled satisfies boolean;
  created.started satisfies string | null;
  (await dw.call("web/top")).cpu.percent satisfies number;
  for await (const event of dw.stream("web/logs", { follow: true, tail: 100 }, { signal })) {
    for (const line of event.lines ?? []) line.text satisfies string;
    if (event.gap || event.dropped) event.seq satisfies number;
  }
  for await (const { usage, state } of dw.stream(`${created.name}/top`, { follow: true })) state ?? usage?.memory.limit satisfies number | undefined;
  for await (const { containers, gap } of dw.stream("list", [true])) gap ? containers : created;
  const build = dw.stream("build", { name: "shop", url: "https://git.example.com/shop.git" });
  const events: BuildOutput[] = [];
  for await (const event of build) events.push(event);
  (await build.result).commit satisfies string;

  // @ts-expect-error there is no such method
  dw.call("destroy");
  // @ts-expect-error nor one of containers
  dw.call("web/destroy");
  // @ts-expect-error the name is missing
  dw.call("create", { image: "shop" });
  // @ts-expect-error there is no such parameter
  dw.call("web/logs", { lines: 3 });
  // @ts-expect-error a build has no list of containers
  for await (const event of build) event.containers;
  dw.close();
  return events;
}

export function explain(error: unknown): string {
  if (!(error instanceof DockwireError)) throw error;
  switch (error.code) {
    case "lost": return "look first whether it was done";
    case codes.notFound: return `${error.data?.kind} ${error.data?.name}: ${error.reason}`;
    default: return error.message;
  }
}

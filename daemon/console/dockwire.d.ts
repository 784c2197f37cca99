// The types of dockwire.js. What the members mean stands in docs/protocol.md, and in what the
// daemon answers to rpc.discover.

/**
 * Begins to connect, and gives at once what calls are made on; they wait for the connection.
 *
 * @param url Where the daemon listens, `ws://HOST:PORT/` or `wss://HOST/`; by default where the page came from.
 */
export function connect(url?: string | URL | null, options?: Options): Dockwire;

export interface Options {
  /** The secret that the daemon wants to see: what `dockwire token` prints. */
  token?: string;
  /** The constructor of a WebSocket, for Node before 22: that of the package `ws`. */
  WebSocket?: new (url: string, protocols: string[]) => any;
  onstate?: (state: State) => void;
}

/**
 * - `connecting`: an attempt is being made
 * - `open`
 * - `waiting`: the connection broke, or could not be made; another attempt follows
 * - `refused`: the daemon can be reached but does not want us, because of the token or of the page's
 *   origin. Everything has failed with the code `refused`; connect anew with another token.
 * - `closed`: by `close()`
 */
export type State = "connecting" | "open" | "waiting" | "refused" | "closed";

export interface Dockwire {
  readonly state: State;
  /** Is told each state that the connection comes to. */
  onstate: ((state: State) => void) | undefined;

  /**
   * Calls a method. Without a connection the call waits for one, until its signal says otherwise.
   *
   * When the connection breaks before the answer came, calls that only read are made again, and a build goes on; others
   * fail with the code `lost`, for they may have been done or not.
   *
   * A signal that is aborted cancels the call at the daemon too, and rejects with its reason.
   */
  call<M extends MethodName>(method: M, params?: Params<M>, options?: CallOptions): Promise<Result<M>>;

  /**
   * Calls a method that streams. The loop ends with the answer; to leave it earlier cancels the call, and with it a
   * build that nobody else waits for. To have the answer of a build without its output, use `call`.
   *
   * The stream goes on through broken connections: build and logs after the last line, without loss or repetition; a list
   * begins anew, with `gap` set. A loop that is slow gets all the same: a log waits at the daemon meanwhile, and of usage
   * and lists what is out of date is left out.
   */
  stream<M extends MethodName>(method: M, params?: Params<M>, options?: CallOptions): Stream<Event<M>, Result<M>>;

  /** Closes the connection. All that was not answered fails with the code `closed`; builds go on at the daemon. */
  close(): void;
}

export interface CallOptions {
  signal?: AbortSignal;
}

/** An async generator of events, which returns the answer. */
export interface Stream<E, R> {
  [Symbol.asyncIterator](): Stream<E, R>;
  next(): Promise<IteratorResult<E, R>>;
  return(value?: R): Promise<IteratorResult<E, R>>;
  throw(error: unknown): Promise<IteratorResult<E, R>>;
  /** The answer. It comes once the events before it could be taken, so read those; it need not be handled. */
  readonly result: Promise<R>;
}

/** What the daemon answered as an error, or what became of the connection. */
export class DockwireError extends Error {
  readonly name: "DockwireError";
  /** A number of the daemon's, as in `codes`; or of this module:
   * - `lost`: the connection broke, so the call may have been done or not
   * - `refused`, `closed`: see State
   * - `incomplete`: the numbers of a stream do not add up
   * - `tooLarge`: the daemon takes no message as large as this call */
  readonly code: number | "lost" | "refused" | "closed" | "incomplete" | "tooLarge";
  readonly data: ErrorData | undefined;
  /** The sentence that says what happened and what to do, without the words of the code. */
  readonly reason: string;
  constructor(code: DockwireError["code"], message: string, data?: ErrorData);
}

/** The codes of errors by which a caller may want to tell them apart. */
export const codes: {
  readonly methodNotFound: -32601;
  readonly invalidParams: -32602;
  readonly internal: -32603;
  readonly notFound: -32001;
  readonly conflict: -32002;
  readonly forbidden: -32003;
  readonly unavailable: -32004;
  readonly buildFailed: -32005;
  readonly notRunning: -32006;
  readonly tooBusy: -32007;
  readonly logsUnavailable: -32008;
  readonly startFailed: -32009;
  readonly cancelled: -32800;
};

export interface ErrorData {
  reason?: string;
  param?: string;
  kind?: string;
  name?: string;
  holder?: string;
  method?: string;
  scope?: string;
  outcome?: "none" | "unknown";
  step?: string;
  exitCode?: number;
  lines?: Line[];
  limit?: string;
  build?: string;
  seq?: number;
  cursor?: string;
  ref?: string;
}

// The methods.

/** The methods of the daemon: parameters by name, result, event of the stream. */
export interface Methods {
  build: [BuildParams, Build, BuildOutput];
  builds: [None, BuildInfo[], never];
  cancelBuild: [{ id: string }, BuildInfo, never];
  create: [CreateParams, Container, never];
  images: [None, Image[], never];
  list: [{ follow?: boolean }, Container[], ListOutput];
  remove: [{ name: string; volumes?: boolean }, Container, never];
  removeImage: [{ name: string }, Image, never];
  "rpc.discover": [None, { openrpc: string; methods: object[]; [member: string]: unknown }, never];
}

/** The methods of a container, each called `NAME/method`. */
export interface ContainerMethods {
  diff: [{ path?: string }, Change[], never];
  image: [None, Image, never];
  inspect: [None, Inspect, never];
  logs: [LogsParams, LogsResult, LogsOutput];
  restart: [{ timeout?: number }, Container, never];
  rollback: [None, Container, RollbackOutput];
  scale: [{ replicas: number }, Container, never];
  start: [None, Container, never];
  stop: [{ timeout?: number }, Container, never];
  top: [{ follow?: boolean; interval?: number }, Usage, TopOutput];
  update: [UpdateParams, Container, UpdateOutput];
}

type None = Record<string, never>;
export type MethodName = keyof Methods | `${string}/${keyof ContainerMethods}`;
type Types<M> = M extends keyof Methods ? Methods[M]
  : M extends `${string}/${infer C extends keyof ContainerMethods}` ? ContainerMethods[C] : never;
/** By name, or by position. */
export type Params<M extends MethodName> = Types<M>[0] | readonly unknown[];
export type Result<M extends MethodName> = Types<M>[1];
export type Event<M extends MethodName> = Types<M>[2];

export interface BuildParams {
  name: string;
  url: string;
  ref?: string;
  dir?: string;
  dockerfile?: string;
  args?: Record<string, string>;
  target?: string;
  noCache?: boolean;
  pull?: boolean;
  submodules?: boolean;
  after?: string;
  credential?: { username?: string; password: string };
}

export interface CreateParams {
  image: string;
  name: string;
  environment?: Record<string, string>;
  command?: string[];
  port?: number;
  domain?: string;
  network?: string;
  memory?: number;
  cpus?: number;
  pids?: number;
  restart?: "no" | "on-failure" | "unless-stopped";
  volumes?: string[];
  profile?: "default" | "strict";
  init?: boolean;
  start?: boolean;
  replicas?: number;
}

export interface UpdateParams {
  image?: string;
  environment?: Record<string, string>;
}

export interface LogsParams {
  follow?: boolean;
  tail?: number | "all";
  since?: string;
  until?: string;
  stream?: "stdout" | "stderr" | "both";
  grep?: string;
  after?: string;
}

// What is answered. A Time is RFC 3339 in UTC with nanoseconds, and sorts as text.

export type Time = string;

export interface Build {
  name: string;
  id: string;
  build: string;
  url: string;
  ref: string;
  commit: string;
  size: number;
  seconds: number;
  seq: number;
  cursor: string;
}

export interface BuildInfo {
  id: string;
  name: string;
  url: string;
  ref: string;
  commit: string;
  state: "queued" | "running" | "succeeded" | "failed" | "cancelled" | "interrupted";
  position: number;
  started: Time | null;
  seconds: number;
  /** Give it as `after` to take the build up from its first line. */
  cursor: string;
}

export interface Container {
  name: string;
  id: string;
  image: string;
  state: "created" | "running" | "restarting" | "paused" | "exited" | "dead" | "removed";
  health: "none" | "starting" | "healthy" | "unhealthy";
  exitCode: number;
  restarts: number;
  oomKilled: boolean;
  created: Time | null;
  started: Time | null;
  finished: Time | null;
  domain: string;
  url: string;
  port: number;
  commit: string;
  replicas?: number;
  serving?: number;
  orphans?: number;
  /** Of a replica on a single engine: the container that it is one of. */
  replicaOf?: string;
}

export interface Inspect extends Container {
  configuration: {
    command: string[] | null;
    environment: Record<string, string | null> | null;
    workingDir: string;
    restart: string;
    init: boolean;
    stopSignal: string;
    profile: string;
  };
  limits: { memory: number; cpus: number; pids: number; files: number; shm: number; logMax: number };
  security: {
    user: string;
    capabilities: string[] | null;
    noNewPrivileges: boolean;
    seccomp: string;
    appArmor: string;
    readOnly: boolean;
    runtime: string;
  };
  network: { name: string; address: string; gateway: string; subnet: string; internal: boolean };
  mounts: { volume: string; path: string }[] | null;
  imageDetails: Image;
  /** What rollback goes back to. */
  previous?: { id: string; image: string; commit: string; created: Time | null; finished: Time | null } | null;
  pool?: { name: string; replica?: number; state: "serving" | "starting" | "draining" | "out"; reason?: string }[] | null;
  tasks?: {
    id: string;
    name?: string;
    replica: number;
    node: string;
    address: string;
    state: string;
    wanted: string;
    since: Time | null;
    exitCode: number;
    error?: string;
    commit: string;
    orphan?: boolean;
  }[] | null;
  nodes?: { name: string; id: string; address: string; state: string; availability: string; manager: boolean }[] | null;
  engine?: unknown;
}

export interface Image {
  name: string;
  id: string;
  size: number;
  created: Time | null;
  url: string;
  ref: string;
  commit: string;
  containers: string[] | null;
}

export interface Change {
  path: string;
  kind: "added" | "modified" | "deleted";
  replica?: number;
}

export interface LogsResult {
  name: string;
  lines: Line[];
  truncated: boolean;
  cursor: string;
  seq?: number;
  gap?: boolean;
}

export interface Usage extends Used {
  name: string;
  time: Time | null;
  replicas?: (Used & { replica: number; node: string; error?: string })[] | null;
}

interface Used {
  cpu: { percent: number; limit: number };
  memory: { usage: number; limit: number; percent: number };
  network: { received: number; sent: number };
  disk: { read: number; written: number };
  pids: number;
}

export interface Line {
  time: Time | null;
  stream: "stdout" | "stderr" | "git" | "update";
  text: string;
  cut?: boolean;
  replica?: number;
}

// What streams tell.

interface Output {
  /** Of the last line, sample or container here, counted from 1 through all connections, left-out ones included. */
  seq: number;
  /** The daemon's engine went away, or came back. */
  state?: "paused" | "resumed";
}

interface LinesOutput extends Output {
  name: string;
  lines?: Line[];
  /** Lines left out just before these. */
  dropped?: number;
  /** Lines are missing, nobody knows how many. */
  gap?: boolean;
  /** What to give as `after` to go on after the last line here. */
  cursor?: string;
}

export interface LogsOutput extends LinesOutput {}

export interface BuildOutput extends LinesOutput {
  build: string;
}

/** How an update goes. */
export interface UpdateOutput {
  seq: number;
  name: string;
  lines: Line[];
}

export interface RollbackOutput extends UpdateOutput {}

export interface TopOutput extends Output {
  name: string;
  usage?: Usage;
  dropped?: number;
}

/** First all containers, then each that changed; one that is gone has the state `removed`. */
export interface ListOutput extends Output {
  containers?: Container[];
  /** Forget what you know: these begin the whole list anew. */
  gap?: boolean;
}

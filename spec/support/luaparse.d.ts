/** What the spec of the scripts uses of luaparse, which has no types of its own. */
declare module 'luaparse' {
  /** A node of the syntax tree. With `scope`, an identifier knows whether it is local. */
  export interface Node {
    readonly type: string;
    readonly name?: string;
    readonly isLocal?: boolean;
    readonly [part: string]: unknown;
  }
  export function parse(code: string, options: { luaVersion: '5.1'; scope: true; comments: false }): Node;
}

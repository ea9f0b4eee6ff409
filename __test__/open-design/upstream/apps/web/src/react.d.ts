// As much of React as the picker uses.

declare module 'react' {
  export function useState<T>(initial: T): [T, (next: T) => void];
  export function useEffect(effect: () => void | (() => void), deps: readonly unknown[]): void;
}

declare namespace JSX {
  interface IntrinsicElements {
    button: { key?: string; onClick?: () => void; children?: unknown };
    div: { key?: string; className?: string; role?: string; children?: unknown };
    span: { children?: unknown };
  }
  interface ElementChildrenAttribute {
    children: unknown;
  }
}

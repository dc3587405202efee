/**
 * Matches regular expressions by counted steps. The runtime's own matcher tries every way to read a text and cannot be
 * interrupted: `^(a|a)*$` against forty characters keeps a process busy for hours. This one tries the same ways in the
 * same order and stops when its budget is used up. It finds whether a text matches, and nothing else.
 *
 * @module
 */
import { UnusableSchema, type StepBudget } from "./budget.ts";
import { parseExpression, type CharacterTest, type Expression } from "./expression-syntax.ts";

/** Instructions of one expression: `(a{100}){100}` is ten thousand. */
const MAX_INSTRUCTIONS = 10_000;

type Instruction =
  | { op: "character"; test: CharacterTest; isBackward: boolean }
  /** As many characters as there are, or as few as will do. */
  | { op: "run"; test: CharacterTest; least: number; most: number; isLazy: boolean; isBackward: boolean }
  /** Goes on at `first`, and at `second` if that leads nowhere. */
  | { op: "split"; first: number; second: number }
  | { op: "jump"; to: number }
  | { op: "start" | "end"; isMultiline: boolean }
  | { op: "boundary"; isNegated: boolean; word: CharacterTest }
  | { op: "look"; isNegated: boolean; next: number }
  | { op: "mark"; slot: number }
  /** Leads nowhere if nothing was read since the mark: a repetition of nothing would never end. */
  | { op: "moved"; slot: number }
  | { op: "forget"; from: number; to: number }
  | { op: "reference"; groups: number[]; ignoresCase: boolean; isBackward: boolean }
  | { op: "match" };

/** Positions noted on the way: begin and end of each group, and marks; -1 for none. Never changed, so that ways share them. */
type Slots = readonly number[];

/** A regular expression that is matched by counted steps. */
export class CountedExpression {
  readonly #program: Instruction[] = [];
  readonly #keepsGroups: boolean;
  readonly #budget: StepBudget;
  #slots = 0;

  /**
   * Reads an expression in ECMAScript's syntax, as with the flag `u`.
   *
   * @throws UnusableSchema if it is none, or too large. TooCostly if the budget is used up.
   */
  constructor(source: string, budget: StepBudget) {
    const { root, groups, hasReferences } = parseExpression(source, budget);
    this.#budget = budget;
    this.#keepsGroups = hasReferences;
    this.#slots = hasReferences ? (groups + 1) * 2 : 0;
    this.#emit(root, false);
    this.#add({ op: "match" });
  }

  /**
   * Says whether any part of a text matches.
   *
   * @throws TooCostly if the budget is used up before that is known.
   */
  test(text: string): boolean {
    this.#budget.take(text.length);
    const characters = Array.from(text);
    const slots: Slots = Array.from({ length: this.#slots }, () => -1);
    for (let start = 0; start <= characters.length; start += 1) {
      if (this.#run(characters, 0, start, slots) !== null) {
        return true;
      }
    }
    return false;
  }

  /** Follows the program from one place; gives the slots of the first way that matches, or null. */
  #run(text: readonly string[], from: number, start: number, given: Slots): Slots | null {
    const ways: { pc: number; at: number; slots: Slots; last: number }[] = [];
    let pc = from;
    let at = start;
    let slots = given;
    for (;;) {
      this.#budget.take(1);
      const next = this.#program[pc];
      let goesOn = true;
      switch (next?.op) {
        case undefined:
        case "match":
          return slots;
        case "character": {
          const character = text[next.isBackward ? at - 1 : at];
          goesOn = character !== undefined && next.test(character);
          at += next.isBackward ? -1 : 1;
          pc += 1;
          break;
        }
        case "run": {
          const most = this.#length(text, at, next);
          const sign = next.isBackward ? -1 : 1;
          goesOn = most >= next.least;
          if (goesOn) {
            const [first, last] = next.isLazy ? [next.least, most] : [most, next.least];
            if (first !== last) {
              ways.push({
                pc: pc + 1,
                at: at + sign * (first + (first < last ? 1 : -1)),
                slots,
                last: at + sign * last,
              });
            }
            at += sign * first;
            pc += 1;
          }
          break;
        }
        case "split":
          ways.push({ pc: next.second, at, slots, last: at });
          pc = next.first;
          break;
        case "jump":
          pc = next.to;
          break;
        case "start":
          goesOn = at === 0 || (next.isMultiline && isLineEnd(text[at - 1]));
          pc += 1;
          break;
        case "end":
          goesOn = at === text.length || (next.isMultiline && isLineEnd(text[at]));
          pc += 1;
          break;
        case "boundary":
          goesOn = (isWord(text[at - 1], next.word) !== isWord(text[at], next.word)) !== next.isNegated;
          pc += 1;
          break;
        case "look": {
          const found = this.#run(text, pc + 1, at, slots);
          goesOn = (found !== null) !== next.isNegated;
          slots = next.isNegated ? slots : (found ?? slots);
          pc = next.next;
          break;
        }
        case "mark":
          slots = this.#with(slots, next.slot, next.slot + 1, at);
          pc += 1;
          break;
        case "moved":
          goesOn = slots[next.slot] !== at;
          pc += 1;
          break;
        case "forget":
          slots = this.#with(slots, next.from, next.to, -1);
          pc += 1;
          break;
        case "reference": {
          const end = this.#referenced(text, at, slots, next);
          goesOn = end !== null;
          at = end ?? at;
          pc += 1;
          break;
        }
      }
      if (!goesOn) {
        const way = ways.at(-1);
        if (way === undefined) {
          return null;
        }
        ({ pc, at, slots } = way);
        if (at === way.last) {
          ways.pop();
        } else {
          way.at += way.last > at ? 1 : -1;
        }
      }
    }
  }

  /** How many characters of a run there are, up to the most it may have. */
  #length(text: readonly string[], at: number, run: Instruction & { op: "run" }): number {
    let length = 0;
    const most = Math.min(run.most, run.isBackward ? at : text.length - at);
    while (length < most && run.test(text[run.isBackward ? at - length - 1 : at + length] ?? "")) {
      length += 1;
    }
    this.#budget.take(length);
    return length;
  }

  /** Where the text of a group ends that is read again at a place; null if something else stands there. */
  #referenced(
    text: readonly string[],
    at: number,
    slots: Slots,
    { groups, ignoresCase, isBackward }: Instruction & { op: "reference" },
  ): number | null {
    const group = groups.find((number) => (slots[number * 2 + 1] ?? -1) >= 0 && (slots[number * 2] ?? -1) >= 0);
    if (group === undefined) {
      return at;
    }
    const begin = slots[group * 2] ?? 0;
    const length = (slots[group * 2 + 1] ?? 0) - begin;
    const from = isBackward ? at - length : at;
    if (from < 0 || from + length > text.length) {
      return null;
    }
    this.#budget.take(length);
    for (let offset = 0; offset < length; offset += 1) {
      const [left = "", right = ""] = [text[begin + offset], text[from + offset]];
      if (left !== right && !(ignoresCase && left.toLowerCase() === right.toLowerCase())) {
        return null;
      }
    }
    return isBackward ? from : from + length;
  }

  #with(slots: Slots, from: number, to: number, value: number): Slots {
    this.#budget.take(1 + (slots.length >> 4));
    const copy = [...slots];
    copy.fill(value, from, to);
    return copy;
  }

  /** Writes the program of a part; inside a look behind a text is read from its end. */
  #emit(part: Expression, isBackward: boolean): void {
    switch (part.kind) {
      case "character":
        this.#add({ op: "character", test: part.test, isBackward });
        break;
      case "sequence":
        for (const item of isBackward ? part.items.toReversed() : part.items) {
          this.#emit(item, isBackward);
        }
        break;
      case "choice":
        this.#emitChoice(part.items, isBackward);
        break;
      case "repeat":
        this.#emitRepeat(part, isBackward);
        break;
      case "group":
        this.#emitGroup(part, isBackward);
        break;
      case "edge":
        this.#add({ op: part.at, isMultiline: part.isMultiline });
        break;
      case "boundary":
        this.#add({ op: "boundary", isNegated: part.isNegated, word: part.word });
        break;
      case "look": {
        const look = this.#add({ op: "look", isNegated: part.isNegated, next: 0 });
        this.#emit(part.item, part.isBehind);
        this.#add({ op: "match" });
        look.next = this.#program.length;
        break;
      }
      case "reference":
        this.#add({ op: "reference", groups: part.groups, ignoresCase: part.ignoresCase, isBackward });
        break;
    }
  }

  #emitChoice(items: readonly Expression[], isBackward: boolean): void {
    const jumps: (Instruction & { op: "jump" })[] = [];
    for (const [index, item] of items.entries()) {
      if (index === items.length - 1) {
        this.#emit(item, isBackward);
        break;
      }
      const split = this.#split();
      split.first = this.#program.length;
      this.#emit(item, isBackward);
      jumps.push(this.#add({ op: "jump", to: 0 }));
      split.second = this.#program.length;
    }
    for (const jump of jumps) {
      jump.to = this.#program.length;
    }
  }

  #emitGroup({ item, number }: Expression & { kind: "group" }, isBackward: boolean): void {
    if (!this.#keepsGroups) {
      this.#emit(item, isBackward);
      return;
    }
    const [begin, end] = [number * 2, number * 2 + 1];
    this.#add({ op: "mark", slot: isBackward ? end : begin });
    this.#emit(item, isBackward);
    this.#add({ op: "mark", slot: isBackward ? begin : end });
  }

  #emitRepeat(part: Expression & { kind: "repeat" }, isBackward: boolean): void {
    const { item, least, most, isLazy } = part;
    if (item.kind === "character") {
      this.#add({ op: "run", test: item.test, least, most, isLazy, isBackward });
      return;
    }
    for (let time = 0; time < least; time += 1) {
      this.#emitTime(part, isBackward);
    }
    const mayBeEmpty = isEmptyPossible(item);
    const splits: { split: Instruction & { op: "split" }; body: number }[] = [];
    const optional = most === Infinity ? 1 : most - least;
    for (let time = 0; time < optional; time += 1) {
      const at = this.#program.length;
      const split = this.#split();
      splits.push({ split, body: this.#program.length });
      if (mayBeEmpty) {
        const slot = this.#slots;
        this.#slots += 1;
        this.#add({ op: "mark", slot });
        this.#emitTime(part, isBackward);
        this.#add({ op: "moved", slot });
      } else {
        this.#emitTime(part, isBackward);
      }
      if (most === Infinity) {
        this.#add({ op: "jump", to: at });
      }
    }
    const end = this.#program.length;
    for (const { split, body } of splits) {
      split.first = isLazy ? end : body;
      split.second = isLazy ? body : end;
    }
  }

  /** One time of a repetition, in which the groups inside have read nothing yet. */
  #emitTime({ item }: Expression & { kind: "repeat" }, isBackward: boolean): void {
    // A part may have no instructions, and be repeated a billion times.
    this.#budget.take(1);
    const inside = this.#keepsGroups ? groupsIn(item) : [];
    const [first] = inside;
    if (first !== undefined) {
      this.#add({ op: "forget", from: first * 2, to: ((inside.at(-1) ?? first) + 1) * 2 });
    }
    this.#emit(item, isBackward);
  }

  #split(): Instruction & { op: "split" } {
    return this.#add({ op: "split", first: 0, second: 0 });
  }

  #add<I extends Instruction>(instruction: I): I {
    this.#budget.take(1);
    if (this.#program.length >= MAX_INSTRUCTIONS) {
      throw new UnusableSchema("a regular expression repeats too many parts too often");
    }
    this.#program.push(instruction);
    return instruction;
  }
}

/** Numbers of the groups inside a part, in their order, which is without gaps. */
function groupsIn(part: Expression): number[] {
  switch (part.kind) {
    case "sequence":
    case "choice":
      return part.items.flatMap(groupsIn);
    case "repeat":
    case "look":
      return groupsIn(part.item);
    case "group":
      return [part.number, ...groupsIn(part.item)];
    default:
      return [];
  }
}

/** Says whether a part may match without reading anything; in doubt it may. */
function isEmptyPossible(part: Expression): boolean {
  switch (part.kind) {
    case "character":
      return false;
    case "sequence":
      return part.items.every(isEmptyPossible);
    case "choice":
      return part.items.some(isEmptyPossible);
    case "repeat":
      return part.least === 0 || isEmptyPossible(part.item);
    case "group":
      return isEmptyPossible(part.item);
    default:
      return true;
  }
}

function isWord(character: string | undefined, word: CharacterTest): boolean {
  return character !== undefined && word(character);
}

function isLineEnd(character: string | undefined): boolean {
  return character === "\n" || character === "\r" || character === "\u2028" || character === "\u2029";
}

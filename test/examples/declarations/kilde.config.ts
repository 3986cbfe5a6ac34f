import { defineConfig, defineFeed, type SourceEvent } from "kilde";
import { z } from "zod";

/*
 * The example: expense declarations. Internally they go through a chain of approvals, with a role in every event
 * type. Other services may rely on "submitted, approved, rejected, paid".
 */

const step = z.object({ amount: z.number(), budgetNumber: z.string(), role: z.string().optional() });
type Step = SourceEvent<string, z.output<typeof step>>;

/** The internal events that are read. All others, such as saved drafts, stay inside. */
const events = {
  DeclarationSubmittedByEmployee: step,
  DeclarationApprovedByPreApprover: step,
  DeclarationApprovedByAdministration: step,
  DeclarationApprovedByBudgetOwner: step,
  DeclarationFinalApprovedBySupervisor: step,
  DeclarationRejectedByEmployee: step,
  DeclarationRejectedByPreApprover: step,
  DeclarationRejectedByAdministration: step,
  DeclarationRejectedByBudgetOwner: step,
  DeclarationRejectedBySupervisor: step,
  DeclarationRejectedByMissing: step,
  PaymentHandled: step,
};

const declaration = z.object({ amount: z.number(), budget: z.string() });

const publish =
  <Type extends string>(type: Type) =>
  ({ data }: Step) => ({ type, data: { amount: data.amount, budget: data.budgetNumber } });

const submitted = publish("DeclarationSubmitted");
const approved = publish("DeclarationApproved");
const rejected = publish("DeclarationRejected");
const paid = publish("DeclarationPaid");

/** The first version: each internal event is published under a name that means something outside. */
const declarationsV1 = defineFeed({
  name: "declarations",
  version: 1,
  description: "Expense declarations and what became of them",
  source: { streams: "declaration-" },
  events,
  contract: {
    DeclarationSubmitted: declaration,
    DeclarationApproved: declaration,
    DeclarationRejected: declaration,
    DeclarationPaid: declaration,
  },
  publish: {
    DeclarationSubmittedByEmployee: submitted,
    DeclarationApprovedByPreApprover: approved,
    DeclarationApprovedByAdministration: approved,
    DeclarationApprovedByBudgetOwner: approved,
    DeclarationFinalApprovedBySupervisor: approved,
    DeclarationRejectedByEmployee: rejected,
    DeclarationRejectedByPreApprover: rejected,
    DeclarationRejectedByAdministration: rejected,
    DeclarationRejectedByBudgetOwner: rejected,
    DeclarationRejectedBySupervisor: rejected,
    DeclarationRejectedByMissing: rejected,
    PaymentHandled: paid,
  },
});

const inCents = (amount: number) => Math.round(amount * 100);

const approvedBy =
  (by: "pre-approver" | "administration" | "budget-owner" | "supervisor") =>
  ({ data }: Step) => ({ type: "DeclarationApproved" as const, data: { cents: inCents(data.amount), by } });

const rejectedInCents = ({ data }: Step) => ({
  type: "DeclarationRejected" as const,
  data: { cents: inCents(data.amount) },
});

/** The second: amounts in cents, who approved, and how long it took until the money was paid. */
const declarationsV2 = defineFeed({
  name: "declarations",
  version: 2,
  description: "Expense declarations in cents, with approvers and the time to payment",
  source: { streams: "declaration-" },
  events,
  contract: {
    DeclarationSubmitted: z.object({ cents: z.int() }),
    DeclarationApproved: z.object({
      cents: z.int(),
      by: z.enum(["pre-approver", "administration", "budget-owner", "supervisor"]),
    }),
    DeclarationRejected: z.object({ cents: z.int() }),
    DeclarationPaid: z.object({
      cents: z.int(),
      secondsSinceSubmission: z.int().nullable().describe("Null if it was paid without being submitted"),
    }),
  },
  state: {
    initial: { submittedAt: null as string | null },
    // An employee who submits again after a rejection waits from then on.
    evolve: { DeclarationSubmittedByEmployee: (_state, { time }) => ({ submittedAt: time }) },
  },
  publish: {
    DeclarationSubmittedByEmployee: ({ data }) => ({
      type: "DeclarationSubmitted",
      data: { cents: inCents(data.amount) },
    }),
    DeclarationApprovedByPreApprover: approvedBy("pre-approver"),
    DeclarationApprovedByAdministration: approvedBy("administration"),
    DeclarationApprovedByBudgetOwner: approvedBy("budget-owner"),
    DeclarationFinalApprovedBySupervisor: approvedBy("supervisor"),
    DeclarationRejectedByEmployee: rejectedInCents,
    DeclarationRejectedByPreApprover: rejectedInCents,
    DeclarationRejectedByAdministration: rejectedInCents,
    DeclarationRejectedByBudgetOwner: rejectedInCents,
    DeclarationRejectedBySupervisor: rejectedInCents,
    DeclarationRejectedByMissing: rejectedInCents,
    PaymentHandled: ({ data, time }, { submittedAt }) => ({
      type: "DeclarationPaid",
      data: {
        cents: inCents(data.amount),
        secondsSinceSubmission:
          submittedAt === null ? null : Math.round((Date.parse(time) - Date.parse(submittedAt)) / 1_000),
      },
    }),
  },
});

export default defineConfig({ feeds: [declarationsV1, declarationsV2] });

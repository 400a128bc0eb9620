ALTER TABLE "audit"."idempotency_keys" DROP CONSTRAINT "idempotency_keys_key";

-- The answers go with their column in the step before.
SELECT 1;
